package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"dvagent/agent"
	"dvagent/agent/state"
	"dvagent/agent/view"
)

// answer answers other commands, until ctx is done, at a socket in the state
// directory, which is closed to everybody else.
func answer(ctx context.Context, dir state.Dir, service *agent.Service) error {
	if Service(ctx, dir) != nil {
		return fmt.Errorf("another service answers for %s", dir)
	}
	if err := os.Remove(dir.Socket()); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err // left by a service that was killed
	}
	listener, err := atSocket(dir, func(name string) (*net.UnixListener, error) {
		return listen(ctx, name)
	})
	if err != nil {
		return err
	}
	listener.SetUnlinkOnClose(false) // that name holds for a moment alone
	defer os.Remove(dir.Socket())
	server := &http.Server{Handler: handler(service), ReadHeaderTimeout: 5 * time.Second}
	defer context.AfterFunc(ctx, func() { server.Close() })()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// listen makes a socket for its owner alone, whatever the umask: its name never
// has another mode.
func listen(ctx context.Context, name string) (*net.UnixListener, error) {
	private := net.ListenConfig{Control: func(_, _ string, socket syscall.RawConn) error {
		var err error
		failed := socket.Control(func(fd uintptr) { err = syscall.Fchmod(int(fd), 0o600) })
		return errors.Join(failed, err)
	}}
	listener, err := private.Listen(ctx, "unix", name)
	if err != nil {
		return nil, err
	}
	return listener.(*net.UnixListener), nil
}

// atSocket does something with the name of a state directory's socket: one
// that is short enough for a socket, however deep the directory is.
func atSocket[T any](dir state.Dir, do func(name string) (T, error)) (T, error) {
	open, err := os.Open(string(dir))
	if err != nil {
		var none T
		return none, err
	}
	defer open.Close()
	return do(fmt.Sprintf("/proc/self/fd/%d/%s", open.Fd(), filepath.Base(dir.Socket())))
}

func handler(service *agent.Service) http.Handler {
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

// Service is how the service of a state directory stands; nil when none runs.
func Service(ctx context.Context, dir state.Dir) *view.ServiceStatus {
	return ask[view.ServiceStatus](ctx, dir, "/service", 2*time.Second)
}

// Status is what the service of a state directory says of the
// certificates; nil when none runs or it knows none of these names.
func Status(ctx context.Context, dir state.Dir, names []string) *view.Status {
	if Service(ctx, dir) == nil { // one that hangs would be waited for
		return nil
	}
	return ask[view.Status](ctx, dir, "/status?"+url.Values{"name": names}.Encode(), time.Minute)
}

// mostAnswer is more than ten thousand certificates need.
const mostAnswer = 256 << 20

func ask[T any](ctx context.Context, dir state.Dir, path string, patience time.Duration) *T {
	transport := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return atSocket(dir, func(name string) (net.Conn, error) {
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
	if response.StatusCode != http.StatusOK || json.NewDecoder(io.LimitReader(response.Body, mostAnswer)).Decode(answer) != nil {
		return nil
	}
	return answer
}
