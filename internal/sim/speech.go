package sim

import (
	"time"

	"github.com/flatline-dev/flatline/internal/dialect"
	"github.com/flatline-dev/flatline/internal/heartbeat"
	"github.com/flatline-dev/flatline/scenario"
)

// speech is how the server talks to the clients of a group: in the dialect of a real server, or as its configuration
// says.
type speech struct {
	dialect *dialect.Dialect // nil: echo, or nothing
	echo    bool
	hello   []frame
	replies [][]frame // by reply of the dialect
	beat    frame
	every   time.Duration // between beats; 0: none
}

func (s *shard) newSpeech(cfg *scenario.Serve, d *dialect.Dialect) speech {
	out := speech{dialect: d, echo: cfg.Reply != "none", every: cfg.Beat}
	out.beat = frame{wire: wire(cfg.BeatFrame), payload: s.payloads.intern([]byte(cfg.BeatText))}
	if d == nil {
		return out
	}
	frames := func(list []heartbeat.Message) []frame {
		var out []frame
		for i := range list {
			out = append(out, frame{wire: wire(list[i].Frame), payload: s.payloads.intern(list[i].Payload)})
		}
		return out
	}
	out.hello = frames(d.Hello)
	for i := range d.Replies {
		out.replies = append(out.replies, frames(d.Replies[i].With))
	}
	if d.Beat != nil {
		out.beat = frames([]heartbeat.Message{*d.Beat})[0]
		if out.every == 0 { // what the server was told itself goes before what its dialect is used to
			out.every = d.Every
		}
	}
	return out
}

// says is how the server talks on the connection.
func (v *server) says(i int32) *speech {
	return &v.speeches[v.clients[v.conns.at(i).client].group]
}

// answer is the server's answer to a message.
func (v *server) answer(i int32, f frame) {
	says := v.says(i)
	if says.dialect == nil {
		if says.echo {
			v.send(i, f)
		}
		return
	}
	reply, ref := says.dialect.Answer(v.content(f))
	if reply < 0 {
		return
	}
	for _, f := range says.replies[reply] {
		f.ref = ref
		v.send(i, f)
	}
}
