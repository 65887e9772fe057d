package packet

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"sync"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

// capture writes packets in the pcap format with nanosecond time stamps and link type RAW: each packet begins with its
// IPv4 or IPv6 header (draft-ietf-opsawg-pcap; Wireshark reads it).
type capture struct {
	start time.Time // what the run's clock calls 0

	mu   sync.Mutex
	w    *bufio.Writer
	last time.Duration
	err  error
}

const (
	pcapMagic   = 0xa1b23c4d // nanoseconds
	pcapSnapLen = 1 << 18
	pcapRaw     = 101 // LINKTYPE_RAW
)

func newCapture(w io.Writer, start time.Time) *capture {
	c := &capture{start: start, w: bufio.NewWriterSize(w, 1<<16)}
	var h [24]byte
	binary.LittleEndian.PutUint32(h[0:], pcapMagic)
	binary.LittleEndian.PutUint16(h[4:], 2) // version 2.4
	binary.LittleEndian.PutUint16(h[6:], 4)
	binary.LittleEndian.PutUint32(h[16:], pcapSnapLen)
	binary.LittleEndian.PutUint32(h[20:], pcapRaw)
	_, c.err = c.w.Write(h[:])
	return c
}

// packet appends one packet. Time stamps never go back.
func (c *capture) packet(now time.Duration, pkt *stack.PacketBuffer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return
	}
	c.last = max(c.last, now)
	at := c.start.Add(c.last)
	slices := pkt.AsSlices()
	size := 0
	for _, s := range slices {
		size += len(s)
	}
	var h [16]byte
	binary.LittleEndian.PutUint32(h[0:], uint32(at.Unix()))
	binary.LittleEndian.PutUint32(h[4:], uint32(at.Nanosecond()))
	binary.LittleEndian.PutUint32(h[8:], uint32(size))
	binary.LittleEndian.PutUint32(h[12:], uint32(size))
	if _, c.err = c.w.Write(h[:]); c.err != nil {
		return
	}
	for _, s := range slices {
		if _, c.err = c.w.Write(s); c.err != nil {
			return
		}
	}
}

// flush writes out what is buffered and returns the first error.
func (c *capture) flush() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil {
		c.err = c.w.Flush()
	}
	if c.err != nil {
		return fmt.Errorf("write the capture: %w", c.err)
	}
	return nil
}
