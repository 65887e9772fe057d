package stream

import (
	"encoding/binary"
	"math/rand/v2"
	"time"

	"github.com/flatline-dev/flatline/chaos"
)

// kill ends the connections that the client holds at this moment; zombies are left to the server.
type kill struct{}

func (kill) begin(_ *Engine, p *path, f *chaos.Fault, _ chaos.Occurrence, _ time.Duration) {
	p.each(func(c *Conn) { c.kill(f.Mode(), f.Code) })
}

func (kill) end(*Engine, *path, *chaos.Fault, chaos.Occurrence, time.Duration) {}

// closeFrame is a client's close frame with the code and no reason (RFC 6455, sections 5.2 and 5.5.1), masked. The mask
// has no effect on what the server sees, so it need not follow from the seed.
func closeFrame(code uint16) []byte {
	frame := []byte{0x88, 0x80 | 2, 0, 0, 0, 0, byte(code >> 8), byte(code)}
	binary.LittleEndian.PutUint32(frame[2:], rand.Uint32())
	frame[6] ^= frame[2]
	frame[7] ^= frame[3]
	return frame
}
