package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"dvagent/agent"
)

// The service answers other commands at a socket in its state directory, which
// is closed to everybody else.
const socketName = "service.sock"

// answerBeside answers until ctx is done.
func answerBeside(ctx context.Context, stateDir string, service *agent.Service) error {
	if serviceBeside(ctx, stateDir) != nil {
		return errors.New("another service answers for " + stateDir)
	}
	if err := os.Remove(filepath.Join(stateDir, socketName)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err // left by a service that was killed
	}
	listener, err := atSocket(stateDir, func(name string) (*net.UnixListener, error) {
		return net.ListenUnix("unix", &net.UnixAddr{Name: name, Net: "unix"})
	})
	if err != nil {
		return err
	}
	listener.SetUnlinkOnClose(false) // that name holds for a moment alone
	defer os.Remove(filepath.Join(stateDir, socketName))
	server := &http.Server{Handler: besideHandler(service), ReadHeaderTimeout: 5 * time.Second}
	defer context.AfterFunc(ctx, func() { server.Close() })()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// atSocket does something with the name of a state directory's socket: one
// that is short enough for a socket, however deep the directory is.
func atSocket[T any](stateDir string, do func(name string) (T, error)) (T, error) {
	dir, err := os.Open(stateDir)
	if err != nil {
		var none T
		return none, err
	}
	defer dir.Close()
	return do(fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), socketName))
}

func besideHandler(service *agent.Service) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /service", func(w http.ResponseWriter, r *http.Request) {
		json.NewEncoder(w).Encode(service.State())
	})
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, r *http.Request) {
		status, err := service.Status(r.Context(), r.URL.Query()["name"]...)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		json.NewEncoder(w).Encode(status)
	})
	return mux
}

// serviceBeside is how the service of a state directory stands; nil when none
// runs.
func serviceBeside(ctx context.Context, stateDir string) *agent.ServiceStatus {
	return askBeside[agent.ServiceStatus](ctx, stateDir, "/service", 2*time.Second)
}

// statusBeside is what the service of a state directory says of the
// certificates; nil when none runs or it knows none of these names.
func statusBeside(ctx context.Context, stateDir string, names []string) *agent.Status {
	if serviceBeside(ctx, stateDir) == nil { // one that hangs would be waited for
		return nil
	}
	return askBeside[agent.Status](ctx, stateDir, "/status?"+url.Values{"name": names}.Encode(), time.Minute)
}

func askBeside[T any](ctx context.Context, stateDir, path string, patience time.Duration) *T {
	transport := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return atSocket(stateDir, func(name string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", name)
		})
	}}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://service"+path, nil)
	if err != nil {
		return nil
	}
	response, err := transport.RoundTrip(request)
	if err != nil {
		return nil
	}
	defer response.Body.Close()
	answer := new(T)
	if response.StatusCode != http.StatusOK || json.NewDecoder(response.Body).Decode(answer) != nil {
		return nil
	}
	return answer
}
