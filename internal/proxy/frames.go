package proxy

import "encoding/binary"

// Opcodes of RFC 6455, section 5.2.
const (
	opContinuation = 0x0
	opText         = 0x1
	opBinary       = 0x2
	opClose        = 0x8
	opPing         = 0x9
	opPong         = 0xA
)

// sampleSize is how many bytes of a message are kept: what tells beats apart, and what a report shows of one.
const sampleSize = 128

// message is one WebSocket message, or a control frame.
type message struct {
	op       byte
	deflated bool // RSV1 on its first frame: permessage-deflate (RFC 7692), whose payload says nothing here
	size     uint64
	sample   [sampleSize]byte
}

// head is the beginning of the payload, as far as it was kept.
func (m *message) head() []byte { return m.sample[:min(m.size, sampleSize)] }

func (m *message) add(b []byte, mask []byte, at uint64) {
	for i := range b {
		if m.size >= sampleSize {
			m.size += uint64(len(b) - i)
			return
		}
		c := b[i]
		if mask != nil {
			c ^= mask[(at+uint64(i))%4]
		}
		m.sample[m.size] = c
		m.size++
	}
}

// frames reads one direction of a WebSocket connection as it passes, in pieces of any size, and never changes a byte. What
// is no WebSocket turns it off.
type frames struct {
	header  [14]byte
	have    int
	left    uint64 // bytes of the present frame's payload to come
	passed  uint64 // and those that have passed
	mask    [4]byte
	masked  bool
	inFrame bool
	final   bool
	control bool
	broken  bool
	open    bool // a fragmented message is under way
	data    message
	ctl     message
}

// boundary reports whether the stream stands between two frames, where another may be put in.
func (f *frames) boundary() bool { return !f.broken && !f.inFrame && f.have == 0 }

// feed takes the next bytes and calls each for every message that ends in them; the message is the callee's until it
// returns. Control frames come out where they stand, even between the fragments of a message (section 5.4).
func (f *frames) feed(b []byte, each func(m *message)) {
	for len(b) > 0 && !f.broken {
		if !f.inFrame {
			n := copy(f.header[f.have:f.need()], b)
			f.have += n
			b = b[n:]
			if f.have < f.need() {
				continue // need has grown with what was read, or b is used up
			}
			f.begin()
			if f.broken {
				return
			}
		}
		n := int(min(uint64(len(b)), f.left))
		m := &f.data
		if f.control {
			m = &f.ctl
		}
		var mask []byte
		if f.masked {
			mask = f.mask[:]
		}
		m.add(b[:n], mask, f.passed)
		f.left -= uint64(n)
		f.passed += uint64(n)
		b = b[n:]
		if f.left == 0 {
			f.inFrame, f.have = false, 0
			if f.final {
				if !f.control {
					f.open = false
				}
				each(m)
			}
		}
	}
}

// need is the length of the header as far as it is known (section 5.2).
func (f *frames) need() int {
	if f.have < 2 {
		return 2
	}
	n := 2
	switch f.header[1] & 0x7f {
	case 126:
		n += 2
	case 127:
		n += 8
	}
	if f.header[1]&0x80 != 0 {
		n += 4
	}
	return n
}

// begin starts the frame whose header is complete.
func (f *frames) begin() {
	h := f.header[:f.have]
	op := h[0] & 0x0f
	f.final, f.masked = h[0]&0x80 != 0, h[1]&0x80 != 0
	at := 2
	switch n := h[1] & 0x7f; n {
	case 126:
		f.left = uint64(binary.BigEndian.Uint16(h[2:]))
		at = 4
	case 127:
		f.left = binary.BigEndian.Uint64(h[2:])
		at = 10
	default:
		f.left = uint64(n)
	}
	if f.masked {
		copy(f.mask[:], h[at:])
	}
	f.passed = 0
	f.control = op >= opClose
	switch {
	case op > opPong || op > opBinary && op < opClose, // reserved
		f.control && (!f.final || f.left > 125), // section 5.5
		op == opContinuation && !f.open,
		(op == opText || op == opBinary) && f.open,
		f.left > 1<<62:
		f.broken = true
		return
	}
	f.inFrame = true
	switch {
	case f.control:
		f.ctl.op, f.ctl.size, f.ctl.deflated = op, 0, false
	case op != opContinuation:
		f.data.op, f.data.size, f.data.deflated = op, 0, h[0]&0x40 != 0
		f.open = true
	}
}

// frame is an unmasked close frame with the code: what a server says (section 5.5.1).
func closeFrame(code int) []byte {
	return []byte{0x80 | opClose, 2, byte(code >> 8), byte(code)}
}
