package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"syscall"
	"time"

	"github.com/gorilla/websocket"

	"github.com/flatline-dev/flatline/internal/fleet"
	"github.com/flatline-dev/flatline/scenario"
)

const (
	// probePatience is how long a target may take to answer one upgrade.
	probePatience = 10 * time.Second
	// probeHold is how long a connection has to live to count as accepted.
	probeHold = 200 * time.Millisecond
	// probePause is between two tries while a target starts.
	probePause = 100 * time.Millisecond
)

// probe opens one WebSocket connection, as the first client will, and says in plain words why it cannot be done. While
// the target is only not there yet it tries again until patience is over.
func probe(ctx context.Context, plan *scenario.Plan, patience time.Duration) error {
	config, err := fleet.TLSConfig(&plan.Target)
	if err != nil {
		return hint(err, "target.ca is a PEM file; its path counts from where flatline is started")
	}
	url, err := plan.ClientURL(plan.Target.URL, 0)
	if err != nil {
		return err
	}
	header := plan.ClientHeaders(0)
	give := time.Now().Add(patience)
	var last error // what was in the way before time was up
	for {
		err := probeOnce(ctx, url, header, plan.Groups[0].Subprotocols, config)
		if err != nil && last != nil && over(ctx) {
			return last
		}
		var h *hinted
		if err == nil || errors.As(err, &h) || time.Now().After(give) {
			return err
		}
		last = err
		select {
		case <-ctx.Done():
			return last
		case <-time.After(probePause):
		}
	}
}

// over tells whether ctx has ended. A dial that fails at the deadline may be faster than the context's own timer.
func over(ctx context.Context) bool {
	end, ok := ctx.Deadline()
	return ctx.Err() != nil || ok && !time.Now().Before(end)
}

// probeOnce returns nil, an error with a hint that another try will not mend, or one that may pass.
func probeOnce(ctx context.Context, url string, header http.Header, protocols []string, config *tls.Config) error {
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, probePatience)
	defer cancel()
	d := websocket.Dialer{TLSClientConfig: config, Subprotocols: protocols, HandshakeTimeout: probePatience}
	ws, resp, err := d.DialContext(ctx, url, header)
	if err != nil {
		return probeError(url, resp, err, time.Since(began))
	}
	defer ws.Close()
	// A message, a time-out: all is well. Only an end is not.
	_ = ws.SetReadDeadline(time.Now().Add(probeHold))
	ws.SetReadLimit(1 << 10)
	_, _, err = ws.ReadMessage()
	var end *websocket.CloseError
	if errors.As(err, &end) {
		return hint(fmt.Errorf("the target %s upgrades the connection and closes it at once (%v)", url, end),
			"the target may ask for a header, a subprotocol or a message first: headers, subprotocols, opening.steps")
	}
	if errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) {
		return hint(fmt.Errorf("the target %s upgrades the connection and drops it at once (%v)", url, err), "look into the target's own log")
	}
	return nil
}

func probeError(url string, resp *http.Response, err error, took time.Duration) error {
	var (
		cert *tls.CertificateVerificationError
		rec  tls.RecordHeaderError
		dns  *net.DNSError
	)
	switch {
	case resp != nil:
		return hint(fmt.Errorf("the target %s speaks HTTP but does not upgrade to WebSocket: it answered %s", url, resp.Status),
			"check the path of target.url, and whether the target asks for headers or a subprotocol")
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("the target %s is down: nothing listens there (connection refused)", url)
	case errors.As(err, &dns):
		return hint(fmt.Errorf("the target %s cannot be found: %w", url, err), "check the host name in target.url")
	case errors.As(err, &cert):
		return hint(fmt.Errorf("the target %s shows a certificate that is not trusted: %w", url, cert.Err),
			"target.ca names the authority to trust; target.insecure: true trusts anybody")
	case errors.As(err, &rec):
		return hint(fmt.Errorf("the target %s does not speak TLS", url), "is it ws:// rather than wss://?")
	case errors.Is(err, context.DeadlineExceeded), isTimeout(err):
		return fmt.Errorf("the target %s does not answer: no upgrade within %s", url, took.Round(100*time.Millisecond))
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET):
		return fmt.Errorf("the target %s accepts the connection and closes it before the upgrade", url)
	}
	return fmt.Errorf("the target %s does not complete a WebSocket upgrade: %w", url, err)
}

func isTimeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.As(err, &t) && t.Timeout()
}
