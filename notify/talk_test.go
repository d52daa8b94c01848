package notify

import (
	"bytes"
	"net"
	"testing"
	"time"
)

// fault 167
func TestAMailServerWhoseLineDoesNotEndIsLeft(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	said := make(chan int, 1)
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		total, text := 0, bytes.Repeat([]byte("x"), 1<<16)
		for {
			n, err := conn.Write(text)
			if total += n; err != nil {
				said <- total
				return
			}
		}
	}()
	channel := Channel{Name: "mail", Kind: Email, Mail: Mail{Server: listener.Addr().String(), From: "dvagent@example.com", To: []string{"ops@example.com"}}}
	begun := time.Now()
	err = Send(t.Context(), channel, twoFailed)
	if err == nil || len(err.Error()) > 2*longest {
		t.Errorf("%.300v", err)
	}
	if took := time.Since(begun); took > letterTimeout/2 {
		t.Errorf("it took %s", took)
	}
	if total := <-said; total > 32*mostTalk { // the kernel's buffers hold some more
		t.Errorf("%d bytes were taken", total)
	}
}
