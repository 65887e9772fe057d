package stream

// Room is closed when the connection takes bytes again after a Write has failed with [ErrOutboxFull]: half of the outbox
// is free, or the connection has ended and Write says how. It is for drivers that have to wait instead of giving up, as a
// proxy has for a peer that sends more than the path takes.
func (c *Conn) Room() <-chan struct{} {
	p := c.path
	p.mu.Lock()
	defer p.mu.Unlock()
	s := c.slow()
	if s.room == nil {
		s.room = make(chan struct{})
	}
	room := s.room
	c.makeRoom()
	return room
}

// makeRoom tells who waits for room. The path is locked.
func (c *Conn) makeRoom() {
	s := c.s
	if s == nil || s.room == nil {
		return
	}
	if c.closed || c.killed || c.cut || s.werr != nil || s.out.bytes <= c.e.Outbox/2 {
		close(s.room)
		s.room = nil
	}
}
