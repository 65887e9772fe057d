package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// controlAPI is GET /healthz, GET /stats, POST /drain, POST and DELETE /partition, and POST /shutdown, each with a JSON answer,
// and POST /publish in the words of docs/delivery.md.
func (s *Server) controlAPI(shutdown func()) http.Handler {
	answer := func(w http.ResponseWriter, status int, v any) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		out := json.NewEncoder(w)
		out.SetIndent("", "  ")
		out.Encode(v)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, r *http.Request) {
		answer(w, http.StatusOK, map[string]bool{"ok": true})
	})
	mux.HandleFunc("GET /stats", func(w http.ResponseWriter, r *http.Request) {
		answer(w, http.StatusOK, s.Stats())
	})
	mux.HandleFunc("POST /drain", func(w http.ResponseWriter, r *http.Request) {
		var req DrainRequest
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 16<<20))
		if err == nil && len(body) > 0 {
			err = json.Unmarshal(body, &req)
		}
		var reply DrainReply
		if err == nil {
			reply, err = s.Drain(req)
		}
		if err != nil {
			answer(w, http.StatusBadRequest, map[string]string{"error": err.Error()})
			return
		}
		answer(w, http.StatusOK, reply)
	})
	partition := func(on bool) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if err := s.Partition(on); err != nil {
				answer(w, http.StatusConflict, map[string]string{"error": err.Error()})
				return
			}
			answer(w, http.StatusOK, map[string]bool{"ok": true})
		}
	}
	mux.HandleFunc("POST /partition", partition(true))
	mux.HandleFunc("DELETE /partition", partition(false))
	mux.HandleFunc("POST /publish", func(w http.ResponseWriter, r *http.Request) {
		text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, largestPublish))
		var ack string
		if err == nil {
			ack, err = s.Publish(r.Context(), text, r.RemoteAddr)
		}
		switch tooLarge := (*http.MaxBytesError)(nil); {
		case err == nil:
			_, _ = io.WriteString(w, ack+"\n")
		case errors.As(err, &tooLarge):
			http.Error(w, err.Error(), http.StatusRequestEntityTooLarge)
		case errors.Is(err, errBadPublish):
			http.Error(w, err.Error(), http.StatusBadRequest)
		default:
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
		}
	})
	mux.HandleFunc("POST /shutdown", func(w http.ResponseWriter, r *http.Request) {
		answer(w, http.StatusAccepted, map[string]bool{"ok": true})
		shutdown()
	})
	return mux
}

// Client steers a server over its control API.
type Client struct {
	Control string       // host:port, from [Info]
	HTTP    *http.Client // nil: http.DefaultClient
}

// Healthy returns nil when the server answers.
func (c Client) Healthy(ctx context.Context) error {
	return c.call(ctx, http.MethodGet, "/healthz", nil, nil)
}

// Stats fetches the server's counts.
func (c Client) Stats(ctx context.Context) (Stats, error) {
	var s Stats
	err := c.call(ctx, http.MethodGet, "/stats", nil, &s)
	return s, err
}

// Drain asks for a drain; see [Server.Drain] for when it returns.
func (c Client) Drain(ctx context.Context, req DrainRequest) (DrainReply, error) {
	var reply DrainReply
	err := c.call(ctx, http.MethodPost, "/drain", req, &reply)
	return reply, err
}

// Partition cuts the server off from its store, or ends that; see [Server.Partition].
func (c Client) Partition(ctx context.Context, on bool) error {
	if on {
		return c.call(ctx, http.MethodPost, "/partition", nil, nil)
	}
	return c.call(ctx, http.MethodDelete, "/partition", nil, nil)
}

// PublishURL is where the service behind the server publishes; see [Server.Publish].
func (c Client) PublishURL() string { return "http://" + c.Control + "/publish" }

// Shutdown asks the server to end; it returns when the server has agreed, not when it is gone.
func (c Client) Shutdown(ctx context.Context) error {
	return c.call(ctx, http.MethodPost, "/shutdown", nil, nil)
}

func (c Client) call(ctx context.Context, method, path string, in, out any) error {
	fail := func(err error) error { return fmt.Errorf("server at %s: %s: %w", c.Control, path[1:], err) }
	var body bytes.Buffer
	if in != nil {
		if err := json.NewEncoder(&body).Encode(in); err != nil {
			return fail(err)
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://"+c.Control+path, &body)
	if err != nil {
		return fail(err)
	}
	hc := c.HTTP
	if hc == nil {
		hc = http.DefaultClient
	}
	resp, err := hc.Do(req)
	if err != nil {
		return fail(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return fail(err)
	}
	if resp.StatusCode >= 300 {
		var said struct{ Error string }
		if json.Unmarshal(data, &said) != nil || said.Error == "" {
			said.Error = strings.TrimSpace(resp.Status + " " + string(data))
		}
		return fail(fmt.Errorf("refused: %s", said.Error))
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(data, out); err != nil {
		return fail(fmt.Errorf("not an answer of flatline serve: %w", err))
	}
	return nil
}
