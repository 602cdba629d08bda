// The interop app over Genkit's Go server.
//
// In: PORT (0 or unset: any free one) and, with GENKIT_ENV=dev, Genkit's own reflection API.
// Out: one line "LISTENING <port>" on standard output once requests are accepted; the end on SIGTERM.
// Not here: what the flows do (flows.go), their types (types.go), what they did (runs.go).
package main

import (
	"context"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/firebase/genkit/go/core"
	"github.com/firebase/genkit/go/core/x/streaming"
	"github.com/firebase/genkit/go/genkit"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	g := genkit.Init(ctx)

	listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", portFromEnvironment()))
	if err != nil {
		log.Fatal(err)
	}
	server := &http.Server{Handler: routes(g)}
	go func() {
		if err := server.Serve(listener); err != http.ErrServerClosed {
			log.Fatal(err)
		}
	}()
	fmt.Printf("LISTENING %d\n", listener.Addr().(*net.TCPAddr).Port)

	<-ctx.Done()
	server.Close()
	awaitRuntimeFileGone()
}

// awaitRuntimeFileGone lets Genkit take away the file that announces this process: it does so in a goroutine
// of its own when the context ends, and offers no way to wait for it.
func awaitRuntimeFileGone() {
	announcements := filepath.Join(".genkit", "runtimes", fmt.Sprintf("%d-*.json", os.Getpid()))
	for range 100 {
		if left, _ := filepath.Glob(announcements); len(left) == 0 {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func portFromEnvironment() string {
	if port := os.Getenv("PORT"); port != "" {
		return port
	}
	return "0"
}

func routes(g *genkit.Genkit) http.Handler {
	runs := newRunTable()
	lasting := streaming.NewInMemoryStreamManager()
	brief := newBriefStreams(time.Second)

	mux := http.NewServeMux()
	mux.Handle("GET /runs/{id}", runs)
	for _, flow := range defineFlows(g, runs) {
		name := flow.Name()
		options := []genkit.HandlerOption{}
		if name == "secure" {
			options = append(options, genkit.WithContextProviders(requireSesame))
		}
		mount := func(prefix string, extra ...genkit.HandlerOption) {
			mux.Handle("POST "+prefix+name, genkit.Handler(flow, append(extra, options...)...))
		}
		mount("/")
		mount("/durable/", genkit.WithStreamManager(lasting))
		if name == "slow" || name == "menu" {
			mount("/brief/", genkit.WithStreamManager(brief))
		}
	}
	return mux
}

// requireSesame is what Genkit calls a context provider: it sees each request before its flow does.
func requireSesame(_ context.Context, request core.RequestData) (core.ActionContext, error) {
	switch strings.TrimSpace(request.Headers["authorization"]) {
	case "":
		return nil, core.NewPublicError(core.UNAUTHENTICATED, "who are you?", nil)
	case "Bearer open-sesame":
		return core.ActionContext{"auth": "open-sesame"}, nil
	default:
		return nil, core.NewPublicError(core.PERMISSION_DENIED, "not with that key", nil)
	}
}
