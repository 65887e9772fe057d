package kernel

import (
	"sync"
	"time"
)

// The server's side of zombies is looked at this often, or so rarely that it takes at most a twentieth of the time.
const (
	lookEvery = 50 * time.Millisecond
	lookShare = 20
)

// zombies are the connections that clients closed over a dead way up and the server still holds.
type zombies struct {
	e    *Engine
	done chan struct{}
	wg   sync.WaitGroup

	mu      sync.Mutex
	list    []zombie
	running bool
	closed  bool
}

type zombie struct {
	client int
	peer   ends
}

func (z *zombies) init(e *Engine) { z.e, z.done = e, make(chan struct{}) }

func (z *zombies) len() int {
	z.mu.Lock()
	defer z.mu.Unlock()
	return len(z.list)
}

// consider is called before the client's socket is closed. A server elsewhere, or one that has closed its end already,
// leaves no zombie.
func (z *zombies) consider(client int, peer ends) {
	state, cookie, ok, err := z.e.diag.state(&peer)
	if err != nil || !ok || state != tcpEstablished {
		return
	}
	peer.cookie = cookie
	z.mu.Lock()
	defer z.mu.Unlock()
	if z.closed {
		return
	}
	z.list = append(z.list, zombie{client, peer})
	z.e.cfg.Observer.ZombieBegan(z.e.cfg.Clock(), client)
	if !z.running {
		z.running = true
		z.wg.Add(1)
		go z.watch()
	}
}

// watch looks at every zombie in turn, until there is none.
func (z *zombies) watch() {
	defer z.wg.Done()
	pause := time.NewTimer(lookEvery)
	defer pause.Stop()
	for {
		select {
		case <-pause.C:
		case <-z.done:
			return
		}
		began := z.e.cfg.Clock()
		z.mu.Lock()
		list := z.list
		z.mu.Unlock()
		over := map[[8]byte]bool{} // and whether by the server
		for i := range list {
			if ended, reaped := z.look(&list[i]); ended {
				over[list[i].peer.cookie] = reaped
			}
		}
		if !z.report(over) {
			return
		}
		pause.Reset(max(lookEvery, lookShare*(z.e.cfg.Clock()-began)))
	}
}

// look asks for the state of the server's end. In ESTABLISHED it has heard nothing; CLOSE_WAIT and LAST_ACK come after
// the client's FIN, every other state after a close of its own. An end that is gone was given up by the server while the
// client's FIN could not reach it, or else answered it.
func (z *zombies) look(it *zombie) (ended, reaped bool) {
	state, _, ok, err := z.e.diag.state(&it.peer)
	switch {
	case err != nil:
		return false, false // asked again next time
	case !ok:
		return true, z.e.paths[it.client].dead.Load() > 0
	case state == tcpEstablished:
		return false, false
	case state == tcpCloseWait, state == tcpLastAck:
		return true, false
	}
	return true, true
}

// report tells the observer and forgets what is over. It returns false when nothing is left to watch.
func (z *zombies) report(over map[[8]byte]bool) bool {
	z.mu.Lock()
	defer z.mu.Unlock()
	if z.closed {
		return false
	}
	now := z.e.cfg.Clock()
	var left []zombie // a new list: watch reads the old one without the lock
	for _, it := range z.list {
		if reaped, ok := over[it.peer.cookie]; ok {
			z.e.cfg.Observer.ZombieEnded(now, it.client, reaped)
		} else {
			left = append(left, it)
		}
	}
	z.list = left
	z.running = len(left) > 0
	return z.running
}

// close ends the zombies that are left: their goodbyes can get through now.
func (z *zombies) close() {
	z.mu.Lock()
	if !z.closed {
		z.closed = true
		close(z.done)
	}
	now := z.e.cfg.Clock()
	for _, it := range z.list {
		z.e.cfg.Observer.ZombieEnded(now, it.client, false)
	}
	z.list = nil
	z.mu.Unlock()
	z.wg.Wait()
}
