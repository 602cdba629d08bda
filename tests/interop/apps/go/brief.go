// Durable streams that are forgotten soon after they ended, so that a test can meet an expired one quickly.
//
// Genkit's in-memory manager takes a time to live, but sweeps only once a minute. This one puts a clock of
// its own before Genkit's: an ended stream is unknown as soon as its time is over.
package main

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	"github.com/firebase/genkit/go/core"
	"github.com/firebase/genkit/go/core/x/streaming"
)

type briefStreams struct {
	streaming.StreamManager
	life time.Duration

	mutex sync.Mutex
	ended map[string]time.Time
}

func newBriefStreams(life time.Duration) *briefStreams {
	return &briefStreams{
		StreamManager: streaming.NewInMemoryStreamManager(streaming.WithTTL(life)),
		life:          life,
		ended:         map[string]time.Time{},
	}
}

func (b *briefStreams) Open(ctx context.Context, id string) (streaming.StreamInput, error) {
	input, err := b.StreamManager.Open(ctx, id)
	if err != nil {
		return nil, err
	}
	return &briefInput{StreamInput: input, ends: func() { b.noteEnd(id) }}, nil
}

func (b *briefStreams) Subscribe(
	ctx context.Context, id string,
) (<-chan streaming.StreamEvent, func(), error) {
	if b.isOver(id) {
		return nil, nil, core.NewPublicError(core.NOT_FOUND, "stream expired", nil)
	}
	return b.StreamManager.Subscribe(ctx, id)
}

func (b *briefStreams) noteEnd(id string) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	b.ended[id] = time.Now()
}

func (b *briefStreams) isOver(id string) bool {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	end, hasEnded := b.ended[id]
	return hasEnded && time.Since(end) > b.life
}

// briefInput notes the end of its stream and leaves everything else to Genkit's.
type briefInput struct {
	streaming.StreamInput
	ends func()
}

func (b *briefInput) Done(ctx context.Context, output json.RawMessage) error {
	b.ends()
	return b.StreamInput.Done(ctx, output)
}

func (b *briefInput) Error(ctx context.Context, err error) error {
	b.ends()
	return b.StreamInput.Error(ctx, err)
}
