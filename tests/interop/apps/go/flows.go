// The flows that every interop app defines, here with Genkit's Go functions.
//
// In: a Genkit instance and the table of runs. Out: the defined flows, to be mounted.
// Not here: routes, authorization, JSON types.
package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/firebase/genkit/go/core"
	"github.com/firebase/genkit/go/core/api"
	"github.com/firebase/genkit/go/genkit"
)

const stepOfSlow = 50 * time.Millisecond

// sender is what a flow sends its chunks with: nothing comes of them in a call that does not stream.
type sender[Chunk any] = core.StreamCallback[Chunk]

func defineFlows(g *genkit.Genkit, runs *runTable) []api.Action {
	return []api.Action{
		genkit.DefineStreamingFlow(g, "menu", runs.cook),
		genkit.DefineFlow(g, "echo", echo),
		genkit.DefineStreamingFlow(g, "void", sendNothing),
		genkit.DefineStreamingFlow(g, "boom", failInPublic),
		genkit.DefineStreamingFlow(g, "crash", failUnexpectedly),
		genkit.DefineStreamingFlow(g, "slow", runs.crawl),
		genkit.DefineStreamingFlow(g, "big", sendOneBig),
		genkit.DefineStreamingFlow(g, "tree", sendEachNode),
		genkit.DefineStreamingFlow(g, "odd", sendBack),
		genkit.DefineFlow(g, "secure", greet),
	}
}

func (t *runTable) cook(ctx context.Context, in menuRequest, send sender[menuItem]) (menu, error) {
	run := t.start(in.Run)
	out := menu{Theme: in.Theme, Names: []string{}}
	for index := range in.count() {
		item := menuItem{Index: index, Name: fmt.Sprintf("%s Crème brûlée № %d 😀\u2028end", in.Theme, index)}
		if err := run.sending(send(ctx, item)); err != nil {
			return menu{}, err
		}
		out.Names = append(out.Names, item.Name)
	}
	out.Total = len(out.Names)
	run.finished()
	return out, nil
}

func (t *runTable) crawl(ctx context.Context, in slowRequest, send sender[int]) (int, error) {
	run := t.start(in.Run)
	for i := range in.N {
		select {
		case <-time.After(stepOfSlow):
		case <-ctx.Done():
			return 0, run.sending(ctx.Err())
		}
		if err := run.sending(send(ctx, i)); err != nil {
			return 0, err
		}
	}
	run.finished()
	return in.N, nil
}

func echo(_ context.Context, in string) (string, error) {
	return in, nil
}

func sendNothing(ctx context.Context, _ any, send sender[any]) (any, error) {
	return nil, errors.Join(send(ctx, nil), send(ctx, nil))
}

func failInPublic(ctx context.Context, in boomRequest, send sender[int]) (int, error) {
	if err := countTo(ctx, in.N, send); err != nil {
		return 0, err
	}
	message := fmt.Sprintf("boom after %d", in.N)
	return 0, core.NewPublicError(in.status(), message, map[string]any{"n": in.N, "why": "asked for"})
}

func failUnexpectedly(ctx context.Context, in crashRequest, send sender[int]) (int, error) {
	if err := countTo(ctx, in.N, send); err != nil {
		return 0, err
	}
	return 0, errors.New("secret-of-the-server")
}

func sendOneBig(ctx context.Context, in bigRequest, send sender[string]) (int, error) {
	return in.Size, send(ctx, strings.Repeat("x", in.Size))
}

func sendEachNode(ctx context.Context, in node, send sender[node]) (node, error) {
	return in.upperCased(), in.visit(func(each node) error { return send(ctx, each) })
}

func sendBack(ctx context.Context, in odd, send sender[odd]) (odd, error) {
	return in, send(ctx, in)
}

func greet(_ context.Context, in string) (string, error) {
	return "hello " + in, nil
}

func countTo(ctx context.Context, n int, send sender[int]) error {
	for i := range n {
		if err := send(ctx, i); err != nil {
			return err
		}
	}
	return nil
}
