//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package stream

const fionread = 0x4004667f // FIONREAD, sys/filio.h: _IOR('f', 127, int)
