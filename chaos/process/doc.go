// Package process hurts server processes: it freezes them (SIGSTOP, SIGCONT), kills them (SIGKILL) and starts them
// again. A frozen server is the fault that packet loss cannot imitate: its kernel still acknowledges bytes and accepts
// connections, and nobody answers.
//
// # Whom a signal reaches
//
// A command that flatline started ([Start]) has a process group of its own, and signals go to the whole group: `npm
// start` freezes with its node. The group also keeps a Ctrl-C at flatline's terminal away from the server. When the
// command's first process ends, the rest of its group is killed, so the command must stay in the foreground. A process
// that was only given by number ([Attach]) is stopped and continued alone, without its children.
//
// # Nothing is left behind
//
// A guardian, the same binary in a session of its own, sits at the other end of a pipe. Every process is registered
// with it, and the registration acknowledged, before the process may run or is stopped. When the pipe closes, for
// whatever reason, SIGKILL of flatline included, the guardian continues what is stopped, ends what flatline started
// (SIGTERM, SIGKILL half a second later), and goes. When the guardian itself is gone, new stalls and starts are
// refused.
//
// A child cannot slip through between its start and its registration: what is started is first a gate, once more the
// same binary, which waits for a byte and only then becomes the command by execve, with the same process id. If
// flatline dies first, the byte never comes and the gate ends. (A parent-death signal would not do: it does not reach
// the group, does not exist on macOS, and is bound to the thread that forked.)
//
// A process id that the kernel has given away again is never signalled. A child's number stays taken until flatline has
// reaped it, and flatline reaps it last; other processes are held by pidfd on Linux, and compared by start time.
//
// The binary must call this first, in main and in TestMain:
//
//	if process.IsGuardian() {
//		process.GuardianMain()
//	}
//
// Linux and macOS. Elsewhere Start and Attach return an error.
package process
