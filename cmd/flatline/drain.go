package main

import (
	"context"
	"fmt"
	"time"

	"github.com/flatline-dev/flatline/chaos"
	"github.com/flatline-dev/flatline/internal/server"
)

// drainer asks the embedded server to say goodbye to the victims.
type drainer struct {
	server server.Client
	all    int                     // number of clients in the run
	addr   func(client int) string // the client's address as the server sees it; "" while it has no connection
}

// controlTimeout bounds a call to the embedded server. It is short of nothing but a frozen or dead server.
const controlTimeout = 5 * time.Second

func (d *drainer) Can(f *chaos.Fault) error {
	if f.Kind != chaos.Drain {
		return fmt.Errorf("the embedded server only does drain")
	}
	return nil
}

func (d *drainer) Begin(f *chaos.Fault, _ chaos.Occurrence, victims *chaos.Set) error {
	req := server.DrainRequest{Notice: f.Notice, Grace: f.Grace, Code: f.Code}
	if victims.Len() < d.all {
		for i := range victims.All {
			if a := d.addr(i); a != "" {
				req.Addrs = append(req.Addrs, a)
			}
		}
		if len(req.Addrs) == 0 {
			return nil // none of them is connected; no addresses would mean everybody
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), controlTimeout)
	defer cancel()
	_, err := d.server.Drain(ctx, req)
	return err
}

func (d *drainer) End(*chaos.Fault, chaos.Occurrence, *chaos.Set) error { return nil }
func (d *drainer) Close() error                                         { return nil }
