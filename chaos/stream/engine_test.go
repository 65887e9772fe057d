package stream

import (
	"strings"
	"testing"

	"github.com/flatline-dev/flatline/chaos"
)

func TestCanNamesWhoCan(t *testing.T) {
	e := New(nil, nil, 1, 1)
	for _, tt := range []struct {
		f    chaos.Fault
		want string // in the error; "" when it can
	}{
		{chaos.Fault{Kind: chaos.Blackhole}, ""},
		{chaos.Fault{Kind: chaos.Delay}, ""},
		{chaos.Fault{Kind: chaos.Throttle}, ""},
		{chaos.Fault{Kind: chaos.Refuse}, ""},
		{chaos.Fault{Kind: chaos.IdleCut}, ""},
		{chaos.Fault{Kind: chaos.Kill}, ""},
		{chaos.Fault{Kind: chaos.Kill, How: chaos.Close, Code: 1001}, ""},
		{chaos.Fault{Kind: chaos.Kill, How: chaos.Process}, "engine process can"},
		{chaos.Fault{Kind: chaos.Drop}, "engine packet or kernel can"},
		{chaos.Fault{Kind: chaos.Stall}, "engine process can"},
		{chaos.Fault{Kind: chaos.Drain}, "engine server can"},
		{chaos.Fault{Kind: chaos.Suspend}, "engine fleet can"},
		{chaos.Fault{Kind: chaos.Blackhole, Nodes: []int{1}}, "which node"},
	} {
		err := e.Can(&tt.f)
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: %v, want %q", tt.f, err, tt.want)
		}
	}
	for i := range chaos.Engines {
		if info := &chaos.Engines[i]; info.Name == "stream" {
			for _, s := range info.Skills {
				if effects[s.Kind] == nil {
					t.Errorf("the table of engines says that stream can do %s; it cannot", s.Kind)
				}
			}
			if len(info.Skills) != len(effects) {
				t.Errorf("stream has %d effects, the table of engines %d", len(effects), len(info.Skills))
			}
		}
	}
}

func TestBeginAndEndOutOfTurn(t *testing.T) {
	w := newWorld(t, 2)
	var both, beyond chaos.Set
	both.Add(0)
	both.Add(1)
	beyond.Add(0)
	beyond.Add(2)
	f := &chaos.Fault{Kind: chaos.Blackhole}
	o := chaos.Occurrence{Index: 3, Name: "blackhole"}
	if err := w.End(f, o, &both); err == nil {
		t.Error("a fault ended that never began")
	}
	if err := w.Begin(f, o, &beyond); err == nil || w.paths[0].dead() {
		t.Errorf("a client that does not exist: %v; client 0 dead: %v", err, w.paths[0].dead())
	}
	if err := w.Begin(&chaos.Fault{Kind: chaos.Stall}, o, &both); err == nil {
		t.Error("stream began a stall")
	}
	if err := w.Begin(f, o, &both); err != nil {
		t.Fatal(err)
	}
	if err := w.Begin(f, o, &both); err == nil {
		t.Error("one occurrence began twice")
	}
	if err := w.End(f, o, &both); err != nil || w.paths[0].dead() || w.paths[1].dead() {
		t.Errorf("end: %v", err)
	}
	if err := w.Begin(f, o, &both); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := w.Engine.Close(); err != nil || w.paths[0].dead() {
			t.Errorf("close: %v; client 0 dead: %v", err, w.paths[0].dead())
		}
	}
	if err := w.Begin(f, o, &both); err == nil {
		t.Error("a closed engine began a fault")
	}
	if err := w.End(f, o, &both); err != nil {
		t.Errorf("end after close: %v", err)
	}
}
