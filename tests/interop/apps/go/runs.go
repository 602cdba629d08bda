// What the server did, as tests ask for it: GET /runs/{id} tells how often a run was started and how its last
// one ended.
//
// In: reports of the flows `slow` and `menu`. Out: {"runs", "sent", "ended"} as JSON.
package main

import (
	"encoding/json"
	"net/http"
	"sync"
)

type run struct {
	table *runTable

	Runs  int     `json:"runs"`
	Sent  int     `json:"sent"`
	Ended *string `json:"ended"`
}

type runTable struct {
	mutex sync.Mutex
	byID  map[string]*run
}

func newRunTable() *runTable {
	return &runTable{byID: map[string]*run{}}
}

func (t *runTable) start(id string) *run {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	current := t.byID[id]
	if current == nil {
		current = &run{table: t}
		t.byID[id] = current
	}
	current.Runs++
	current.Sent = 0
	current.Ended = nil
	return current
}

// sending notes one attempt to send: a failed one, or a context that ended, stops the run.
func (r *run) sending(err error) error {
	r.table.mutex.Lock()
	defer r.table.mutex.Unlock()
	if err == nil {
		r.Sent++
	} else {
		stopped := "stopped"
		r.Ended = &stopped
	}
	return err
}

func (r *run) finished() {
	r.table.mutex.Lock()
	defer r.table.mutex.Unlock()
	finished := "finished"
	r.Ended = &finished
}

func (t *runTable) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	t.mutex.Lock()
	known := run{}
	if current := t.byID[request.PathValue("id")]; current != nil {
		known = *current
	}
	t.mutex.Unlock()
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(known)
}
