package sandbox

import (
	"bytes"
	"context"
	"net/http"
	"strconv"
)

// Here are the ways in which an answer reaches the client, or does not.
// Ending a handler by http.ErrAbortHandler cuts the connection.

func sendPlain(w http.ResponseWriter, _ *http.Request, out reply) {
	w.Header().Set("Content-Type", out.contentType)
	w.WriteHeader(out.status)
	_, _ = w.Write(out.body)
}

func drop(_, _ context.Context) { panic(http.ErrAbortHandler) }

// hang waits until the client gives up, or the sandbox ends.
func hang(request, sandbox context.Context) {
	select {
	case <-request.Done():
	case <-sandbox.Done():
	}
	panic(http.ErrAbortHandler)
}

func loseAnswer(http.ResponseWriter, *http.Request, reply) { panic(http.ErrAbortHandler) }

// hangAnswer needs no look at the sandbox: closing its server ends the request.
func hangAnswer(_ http.ResponseWriter, r *http.Request, _ reply) {
	<-r.Context().Done()
	panic(http.ErrAbortHandler)
}

func truncate(w http.ResponseWriter, _ *http.Request, out reply) {
	w.Header().Set("Content-Type", out.contentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(out.body)))
	w.WriteHeader(out.status)
	_, _ = w.Write(out.body[:len(out.body)/2])
	_ = http.NewResponseController(w).Flush()
	panic(http.ErrAbortHandler)
}

func sendInstead(contentType, body string) func(http.ResponseWriter, *http.Request, reply) {
	return func(w http.ResponseWriter, r *http.Request, _ reply) {
		sendPlain(w, r, reply{http.StatusOK, contentType, []byte(body)})
	}
}

// sendHuge puts blanks before the answer: it stays well formed.
func sendHuge(w http.ResponseWriter, r *http.Request, out reply) {
	out.body = append(bytes.Repeat([]byte(" "), 10<<20), out.body...)
	sendPlain(w, r, out)
}

// sendEndless ends with the client's patience or the server's write timeout.
func sendEndless(w http.ResponseWriter, r *http.Request, out reply) {
	w.Header().Set("Content-Type", out.contentType)
	blanks := bytes.Repeat([]byte(" "), 1<<20)
	for r.Context().Err() == nil {
		if _, err := w.Write(blanks); err != nil {
			return
		}
	}
}

func redirect(w http.ResponseWriter, r *http.Request, _ reply) {
	http.Redirect(w, r, "http://127.0.0.1:1/", http.StatusFound)
}
