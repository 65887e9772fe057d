package stream

import (
	"crypto/tls"
	"errors"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/flatline-dev/flatline/chaos"
)

// TLS above a Conn survives a blackhole, and the faults' errors come through it.
func TestBelowTLS(t *testing.T) {
	s := httptest.NewUnstartedServer(nil) // for its certificate
	s.StartTLS()
	cert := s.TLS.Certificates
	s.Close()

	w := loopback(t, 1)
	c, peer := w.open(0)
	server := tls.Server(peer, &tls.Config{Certificates: cert})
	client := tls.Client(c, &tls.Config{InsecureSkipVerify: true})
	handshake := make(chan error, 1)
	go func() { handshake <- server.Handshake() }()
	if err := client.Handshake(); err != nil {
		t.Fatal(err)
	}
	if err := within(t, handshake, "handshake"); err != nil {
		t.Fatal(err)
	}
	end := w.begin(chaos.Fault{Kind: chaos.Blackhole}, 0)
	w.write(client, "secret")
	w.write(server, "answer")
	time.Sleep(10 * time.Millisecond)
	end()
	w.wantRead(server, "secret")
	w.wantRead(client, "answer")

	reading := readResult(client)
	w.begin(chaos.Fault{Kind: chaos.Kill, How: chaos.Close, Code: 4001}, 0)
	var closed *chaos.CloseFrameError
	if err := within(t, reading, "client"); !errors.As(err, &closed) || closed.Code != 4001 {
		t.Errorf("client reads %v, want code 4001", err)
	}
	if err := within(t, readResult(server), "server"); err == nil {
		t.Error("the server reads on")
	}
}
