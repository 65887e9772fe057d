//go:build !linux

package stream

func (c *Conn) reset() bool { return false }
