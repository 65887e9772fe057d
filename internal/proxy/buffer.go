package proxy

import "bytes"

const (
	smallBuffer = 2 << 10  // what an idle connection holds, in each direction
	largeBuffer = 64 << 10 // what one holds that carries bulk
)

// buffer is what one direction is read into. It grows while reads fill it, and shrinks when they no longer do.
type buffer struct {
	b    []byte
	thin int // reads in a row that a small one would have held
}

func newBuffer() *buffer { return &buffer{b: make([]byte, smallBuffer)} }

// fit follows a read of n bytes.
func (b *buffer) fit(n int) {
	switch {
	case n == len(b.b) && n < largeBuffer:
		b.b = make([]byte, min(4*len(b.b), largeBuffer))
		b.thin = 0
	case len(b.b) > smallBuffer && n <= smallBuffer:
		if b.thin++; b.thin >= 64 {
			b.b = make([]byte, smallBuffer)
			b.thin = 0
		}
	default:
		b.thin = 0
	}
}

// indexAfter is the index behind the first sep in b; -1 when there is none.
func indexAfter(b, sep []byte) int {
	i := bytes.Index(b, sep)
	if i < 0 {
		return -1
	}
	return i + len(sep)
}
