// Package kernel carries out faults on the IP packets of the clients' connections, in the Linux kernel's own TCP, through
// nftables. It needs CAP_NET_ADMIN in its network namespace (root, setcap, or a namespace of one's own) and Linux 5.12;
// [Available] says what is missing. On other systems every call fails and names the engines that do without.
//
// An [Engine] makes the clients' connections ([Engine.DialTCP]) so that a packet tells whose it is, and puts one set of
// victims and a few rules into its table for every fault in force. Between client and socket nothing is added: while no
// fault is in force no packet meets a rule. There can be one engine in a network namespace at a time.
//
// # What each fault does
//
//   - blackhole: every TCP packet in the direction is lost, for established and new connections of the victims. SYN
//     retries, retransmission, give-up times and errors are the kernel's (net.ipv4.tcp_syn_retries, tcp_retries2).
//   - drop: each packet is lost with probability Rate, in steps of 1e-9, independently of every other, in each direction
//     that the fault names. A burst is refused: see chaos/packet.
//   - refuse: a SYN of a victim is answered with a RST, unless a blackhole or a drop takes either of them.
//   - kill: rst makes the client's kernel send a RST to the server and gives the client ECONNRESET, at once. A RST is
//     never sent twice; if a fault on the way up may have taken it and the server's socket is in the same network
//     namespace, that is destroyed as well (sock_diag(7), its owner sees ECONNABORTED). fin closes the client's socket in
//     both directions: end of file for both, once the path lets the FIN through. Attempts that are still waiting for
//     their SYN's answer are no connections, and go on.
//
// delay, throttle, duplicate, reorder, corrupt and idle-cut are not done here; [Engine.Can] says who does them.
//
// A fault begins for all its victims in one netlink transaction and ends in one. Faults on one client overlap freely:
// each has its own set and rules, and losses come before refusals.
//
// # Whose packet
//
// For a target in 127.0.0.0/8 every client has a source address of its own ([Address]), and a fault matches it; that
// holds for whatever the kernel sends for the client, also after the client is gone. For any other target the client's
// sockets carry a mark (SO_MARK, [MarkBase]): what goes up is known by the packet's mark, which survives the loopback
// device; what comes down by the mark of the socket that it is for (nftables: socket mark). Consequences of marks:
//
//   - Once the kernel has dropped a closed socket altogether (an orphan after net.ipv4.tcp_orphan_retries, a TIME_WAIT),
//     nothing connects its packets with the client, and a fault no longer hits them.
//   - Policy routing and firewalls of the host that look at marks see these.
//   - With net.ipv4.tcp_fwmark_accept=1 a server in the same namespace inherits the mark, and a fault in one direction
//     hits both.
//
// # Where a packet is lost
//
// A packet that is dropped in the output hook of its sender is an error to the sender's TCP (EPERM from the IP layer): it
// was never sent, is no retransmission when it is sent at last, and neither the congestion window nor the round-trip
// estimate hears of it. That is the known mistake of testing loss on one host. Measured with 10 % of the clients' packets
// lost: a tenth as many retransmissions as round trips when the packets are lost on the way, none at all when they are
// dropped in the output hook; the tests hold both. So the rules sit where packets arrive, in the input hook, behind
// the loopback device, for both directions: what the client sent is lost in front of the server and the reverse.
//
// To a server on another host there is no arriving end here. What goes up is then turned to the loopback device in the
// output hook (its destination becomes 127.0.0.1 or ::1, its mark [Detoured]), so that the sender's TCP sees it leave,
// and is lost where it arrives there, before routing. A refusal is answered in the output hook.
//
// # Zombies
//
// A client that closes a connection under a blackhole up leaves its kernel sending FINs that do not arrive. Where the
// server's socket is in the same network namespace the engine sees it (sock_diag) and reports the zombie until that
// socket leaves ESTABLISHED: by the server's own close (reaped), or by the client's FIN once the path has healed. It looks
// every 50 ms, or so rarely that looking takes a twentieth of the time; a reap is reported late by up to that much. A
// server in another namespace, in most containers or on another host cannot be seen: no zombie is reported then.
// After the heal the FIN comes with its next retransmission, which may be a minute away after a long blackhole; and when
// the kernel has given it up before (about 100 s), the server keeps the zombie for as long as it likes.
//
// # What is left behind
//
// Nothing, however flatline ends. The table belongs to its netlink socket (NFT_TABLE_F_OWNER), and the kernel removes it
// with everything in it when that socket is closed, by [Engine.Close] or by the end of the process. Nobody else can change
// it; `nft list ruleset` shows it as flatline-<pid>-<n>.
//
// # What the model does not claim
//
//   - A packet is what the kernel hands from layer to layer: segmentation offload makes it up to 64 KiB of a stream on
//     loopback, all of which is lost at once. Heartbeats are smaller than a segment and not concerned.
//   - The dice are the kernel's (numgen random) and have no seed: which packets are lost differs from run to run.
//   - SYN retries are the kernel's: since Linux 6.5 the first four follow each other by 1 s (net.ipv4.tcp_syn_linear_timeouts),
//     where chaos/stream doubles from the start. A detector does not see the difference; a dial under a blackhole that
//     heals within 15 s does.
//   - Only TCP is touched, and only in the network namespace of the thread that called [New].
package kernel
