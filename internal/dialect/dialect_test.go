package dialect

import (
	"testing"

	"github.com/flatline-dev/flatline/internal/heartbeat"
)

func TestAnswer(t *testing.T) {
	d := Dialect{Replies: []Reply{
		{To: heartbeat.Pattern{Kind: heartbeat.Exact, Text: []byte("ping "), Ref: true}},
		{To: heartbeat.Pattern{Kind: heartbeat.Prefix, Text: []byte("p")}},
	}}
	for _, tc := range []struct {
		data  string
		reply int
		ref   uint32
	}{{"ping 17", 0, 17}, {"ping x", 1, 0}, {"x", -1, 0}, {"", -1, 0}} {
		if i, ref := d.Answer([]byte(tc.data)); i != tc.reply || ref != tc.ref {
			t.Errorf("%q: reply %d, number %d; want %d, %d", tc.data, i, ref, tc.reply, tc.ref)
		}
	}
}
