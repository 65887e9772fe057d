package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/flatline-dev/flatline/chaos"
	"github.com/flatline-dev/flatline/internal/server"
)

// drainer asks the embedded servers to say goodbye to the victims, and cuts them off from the store that they share.
type drainer struct {
	servers []server.Client         // of each node
	all     int                     // number of clients in the run
	addr    func(client int) string // the client's address as the server sees it; "" while it has no connection
}

// controlTimeout bounds a call to the embedded server. It is short of nothing but a frozen or dead server.
const controlTimeout = 5 * time.Second

func (d *drainer) Can(f *chaos.Fault) error {
	if f.Kind != chaos.Drain && f.Kind != chaos.Partition {
		return fmt.Errorf("the embedded server only does drain and partition")
	}
	return nil
}

// nodes asks each node that the fault names, all at once.
func (d *drainer) nodes(f *chaos.Fault, ask func(context.Context, server.Client) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), controlTimeout)
	defer cancel()
	var asking errgroup.Group
	for i, s := range d.servers {
		if len(f.Nodes) == 0 || slices.Contains(f.Nodes, i) {
			asking.Go(func() error { return ask(ctx, s) })
		}
	}
	return asking.Wait()
}

func (d *drainer) Begin(f *chaos.Fault, _ chaos.Occurrence, victims *chaos.Set) error {
	if f.Kind == chaos.Partition {
		return d.nodes(f, func(ctx context.Context, s server.Client) error { return s.Partition(ctx, true) })
	}
	req := server.DrainRequest{Notice: f.Notice, Spread: f.Spread, Grace: f.Grace, Code: f.Code}
	for i := range d.servers {
		if len(f.Nodes) > 0 && !slices.Contains(f.Nodes, i) {
			req.Nodes = append(req.Nodes, i)
		}
	}
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
	return d.nodes(f, func(ctx context.Context, s server.Client) error {
		_, err := s.Drain(ctx, req)
		return err
	})
}

func (d *drainer) End(f *chaos.Fault, _ chaos.Occurrence, _ *chaos.Set) error {
	return d.nodes(f, func(ctx context.Context, s server.Client) error { return s.Partition(ctx, false) })
}

func (d *drainer) Close() error { return nil }
