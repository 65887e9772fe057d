package stream

import "golang.org/x/sys/unix"

const fionread = unix.TIOCINQ // FIONREAD's name in tcp(7)
