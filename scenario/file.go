package scenario

// File is a scenario as written. What is absent is nil or zero; [File.Plan] fills the defaults in. Build one with
// [Load] or [Parse]; fields may be changed before Plan (a seed from the command line, say).
type File struct {
	Name     string      `yaml:"name" doc:"What the run is called in reports." default:"the file's name without .yaml"`
	Seed     *uint64     `yaml:"seed" doc:"Seed of every random choice: victims, jitter. The same seed gives the same run." default:"1"`
	Target   FileTarget  `yaml:"target" required:"true" hint:"target: {serve: {}} runs flatline's own reference server" doc:"What the clients connect to."`
	Clients  []FileGroup `yaml:"clients" required:"true" hint:"clients: [{count: 1000, profile: heartcheck}]" doc:"Groups of clients of one kind."`
	Chaos    FileChaos   `yaml:"chaos" doc:"Faults, as a list or as {engine, faults}."`
	Duration *Duration   `yaml:"duration" doc:"Length of the run from its start." default:"the last fault's end, then the largest detection bound, the first reconnect delay and 10 s; rounded up to a second"`
	Expect   []FileLine  `yaml:"expect" doc:"Expectations: metric op value [by cause] [in group] [during window]."`
	Tune     *FileTune   `yaml:"tune" doc:"What flatline tune may change. A run takes no notice of it."`

	path   string
	source string
	intent string
	// simulated: more clients than any machine has sockets for are meant, see [Plan.Scaled].
	simulated bool
	d         *decoder // positions and what is already known to be wrong; nil for a File made by hand
}

// FileLine is one expectation as written.
type FileLine string

// FileTarget is the target section: serve, or url, or url with command or pid.
type FileTarget struct {
	Serve    *FileServe    `yaml:"serve" doc:"Run the embedded reference server in a process of its own."`
	URL      URLs          `yaml:"url" doc:"ws:// or wss:// address, or a list of those of several nodes. May hold {{.Client}}, {{.Index}}, {{.Group}} and {{.Seed}}."`
	Command  []string      `yaml:"command" doc:"Start this server before the run and stop it afterwards; needs url."`
	PID      *int          `yaml:"pid" min:"2" max:"4194304" doc:"A server process that runs already, for stall and kill how process; needs url."`
	Ready    *Duration     `yaml:"ready" doc:"How long the target may take until it accepts connections." default:"10s"`
	CA       string        `yaml:"ca" doc:"PEM file with the authority that signed the target's certificate, relative to the working directory." default:"the system's roots"`
	Insecure bool          `yaml:"insecure" doc:"Do not verify the target's certificate." default:"false"`
	Publish  *FilePublish  `yaml:"publish" doc:"Where the service behind the server hands it messages, for traffic with from: server." default:"the embedded server's own"`
	Balancer *FileBalancer `yaml:"balancer" doc:"How connections are spread over several nodes." default:"round-robin"`
}

// FileBalancer is the balancer in front of several nodes, as written.
type FileBalancer struct {
	Policy string    `yaml:"policy" enum:"round-robin,least,sticky" doc:"Which node a new connection goes to: each in turn; the one with the fewest connections; always the same one for a client, as long as it is there." default:"round-robin"`
	Eject  *Duration `yaml:"eject" doc:"A node that refused a connection, or let it time out, gets no new one for so long." default:"5s"`
}

// FilePublish is how the service behind the server publishes, as written: by POST requests whose body is the publish format
// of a group.
type FilePublish struct {
	URL         URLs              `yaml:"url" doc:"http:// or https:// address, or a list of those of several nodes, asked in turn. May hold {{.Client}}, {{.Seq}} and {{.Room}}."`
	Headers     map[string]string `yaml:"headers" doc:"HTTP headers of each request." default:"Content-Type: text/plain"`
	Timeout     *Duration         `yaml:"timeout" doc:"A request that takes longer has failed." default:"5s"`
	Connections *int              `yaml:"connections" min:"1" max:"10000" doc:"Requests at once; further messages wait." default:"32"`
}

// FileServe is the embedded reference server as written.
type FileServe struct {
	Beat       *Duration `yaml:"beat" doc:"The server beats this often." default:"it only answers"`
	BeatFrame  string    `yaml:"beat_frame" enum:"ping,text" doc:"Frame of the server's beat." default:"ping"`
	BeatText   *string   `yaml:"beat_text" doc:"Payload of a text beat." default:"ping"`
	Reap       *Duration `yaml:"reap" doc:"Close connections that were silent this long." default:"never"`
	Handshakes *Rate     `yaml:"handshakes" doc:"Handshakes per second that it completes, such as 500/s." default:"as fast as it can"`
	Backlog    *int      `yaml:"backlog" min:"1" max:"10000000" doc:"Handshakes that may wait; further ones get 503." default:"no limit"`
	MaxClients *int      `yaml:"max_clients" min:"1" max:"10000000" doc:"Connections that it holds; further ones get 503." default:"no limit"`
	Reply      string    `yaml:"reply" enum:"echo,none" doc:"What it answers to a message: the message itself, or nothing." default:"echo"`

	Nodes    *int          `yaml:"nodes" min:"1" max:"9" doc:"Server processes, behind flatline's balancer. Limits are those of each." default:"1"`
	Delivery *FileDelivery `yaml:"delivery" doc:"Store, acknowledge and deliver what clients publish, and let them resume: docs/delivery.md. {} does." default:"no"`
}

// FileDelivery is how the embedded server delivers, as written.
type FileDelivery struct {
	Store     string    `yaml:"store" enum:"memory,jetstream" doc:"Where messages are kept: in the server's own memory, which a kill of its process empties; or in NATS JetStream, in a process of its own, which all nodes share." default:"memory; jetstream with several nodes"`
	NATS      string    `yaml:"nats" doc:"store jetstream: URL of a NATS server that is there already, with JetStream." default:"one that flatline starts"`
	Retain    *Duration `yaml:"retain" doc:"A message is kept so long, whoever has it." default:"2m"`
	Dedup     *Duration `yaml:"dedup" doc:"A message that comes again within so long is acknowledged and not stored again." default:"0s: it is stored again"`
	Log       string    `yaml:"log" doc:"The server adds a line to this file for each message that it stored, and each lie." default:"none"`
	DropAcked *Share    `yaml:"drop_acked" doc:"Share of the messages that it acknowledges and forgets: it lies, to be found out." default:"0%"`
	Duplicate *Share    `yaml:"duplicate" doc:"Share of the messages that it stores twice." default:"0%"`
	Reorder   *Share    `yaml:"reorder" doc:"Share of the messages that it delivers behind the next one." default:"0%"`
}

// FileGroup is one group of clients as written: a profile with overrides beside it.
type FileGroup struct {
	Group   string    `yaml:"group" doc:"Name of the group, for selectors and expectations." default:"clients, when it is the only group"`
	Count   int       `yaml:"count" required:"true" hint:"count: 1000" min:"1" max:"100000000" doc:"How many clients."`
	Ramp    *Ramp     `yaml:"ramp" doc:"The clients connect evenly over this time, or at this rate (500/s)." default:"one heartbeat interval, so that the clients' phases are uniform; 5s without a heartbeat"`
	Delay   *Duration `yaml:"delay" doc:"The group begins this long after the run's start." default:"0s"`
	Profile string    `yaml:"profile" doc:"A named client of the real world, see flatline profiles. Without one, beat says what the client does."`
	Dialect string    `yaml:"dialect" doc:"How the embedded server talks to this group: as the server of the named profile, or echo." default:"as the profile's own server, if it has one of its own"`

	Tuning `yaml:",inline"`

	Traffic *FileTraffic `yaml:"traffic" doc:"Messages that the clients publish and receive beside their heartbeat." default:"none"`

	Path         string            `yaml:"path" doc:"Replaces the target's path if it begins with /, is appended otherwise. May hold {{.Client}} and so on." default:"the profile's, if the target has no path"`
	Headers      map[string]string `yaml:"headers" doc:"HTTP headers of the upgrade request. Values may hold {{.Client}} and so on."`
	Subprotocols []string          `yaml:"subprotocols" doc:"WebSocket subprotocols to offer."`
	Sources      *Sources          `yaml:"sources" doc:"Local addresses to connect from, used in turn, or auto: one 127.0.0.x for every 14,000 clients of a loopback target (Linux)." default:"auto"`
}

// Tuning is the client itself: heartbeat, detector and reconnect policy. A profile is a Tuning; a group lays its own
// over that of its profile, field by field.
type Tuning struct {
	Beat      *TuningBeat      `yaml:"beat" doc:"The heartbeat."`
	Liveness  *string          `yaml:"liveness" enum:"any,reply" doc:"Which received messages prove that the server lives: any, or only what beat.match recognises." default:"any"`
	Timeout   *Duration        `yaml:"timeout" doc:"Silence allowed after the last tolerated beat." default:"0s"`
	Misses    *int             `yaml:"misses" min:"0" max:"1000" doc:"Beats in a row without proof of life until the peer counts as dead; 0: silence is never noticed." default:"1"`
	Silence   *Duration        `yaml:"silence" doc:"In place of timeout and misses: the peer is dead once nothing has proved it alive for this long, whatever beats are out; 0s: timeout and misses rule." default:"0s"`
	Check     *Span            `yaml:"check" doc:"The client looks for silence only at ticks this far apart (3s), or a random time apart (6s-12s), as a timer does that runs since the page was loaded." default:"at once"`
	Opening   *TuningOpening   `yaml:"opening" doc:"What must happen before a connection counts as open."`
	Close     *TuningClose     `yaml:"close" doc:"What the client does with a connection that it has declared dead."`
	Reconnect *TuningReconnect `yaml:"reconnect" doc:"The reconnect policy."`
	Replies   []TuningReply    `yaml:"replies" doc:"What the client answers to other messages of the server, once the connection is open; the first that fits." default:"nothing"`
	Notice    *Pattern         `yaml:"notice" doc:"The server's goodbye: the client then leaves by itself. Named groups of a regexp are heeded: retry_ms and retry_s (how long to wait before it comes back, in place of reconnect) and node (to which node of the target)." default:"none"`
}

// TuningBeat is the heartbeat of a [Tuning].
type TuningBeat struct {
	By       *string   `yaml:"by" enum:"client,server,both,nobody" doc:"Who beats: the client, which awaits replies; the server; both, and neither replies." default:"client"`
	Frame    *string   `yaml:"frame" enum:"text,binary,ping" doc:"Frame of the beat." default:"text"`
	Payload  *Payload  `yaml:"payload" doc:"What the client sends. {{.Ref}} stands for the number of the beat." default:"empty"`
	Interval *Duration `yaml:"interval" doc:"Time between beats."`
	After    *string   `yaml:"after" enum:"message,either,beat,reply" doc:"What arms the client's next beat: a received message; a message or its own beat, whichever came last; its own beat (a fixed tick); only the matching reply." default:"beat"`
	AtOpen   *bool     `yaml:"at_open" doc:"The first beat leaves as the connection opens." default:"false"`
	First    *Share    `yaml:"first" doc:"Randomness of the first beat: it comes after interval x (1 - first x U[0,1))." default:"0%"`
	Jitter   *Share    `yaml:"jitter" doc:"Randomness of each later beat: interval x (1 +- jitter); below 100%." default:"0%"`
	Match    *Pattern  `yaml:"match" doc:"The message from the server that is the other half: the reply, or the server's beat. {{.Ref}} in it has to be the number of the beat." default:"any"`
	Answer   *Message  `yaml:"answer" doc:"What the client answers to the server's beat (control frames answer themselves)." default:"nothing"`
}

// TuningOpening is the opening exchange of a [Tuning].
type TuningOpening struct {
	Timeout *Duration    `yaml:"timeout" doc:"From the dial until open; TCP, TLS, upgrade and steps included. 0s: no limit." default:"20s"`
	Steps   []TuningStep `yaml:"steps" doc:"Exchange after the WebSocket upgrade, in order."`
}

// TuningStep sends and then awaits a message.
type TuningStep struct {
	Send  *Message `yaml:"send" doc:"Message to send."`
	Await *Pattern `yaml:"await" doc:"Message to wait for, after sending."`
}

// TuningReply is what a [Tuning] answers to a message that is no beat.
type TuningReply struct {
	To   *Pattern `yaml:"to" required:"true" hint:"replies: [{to: PING, with: PONG}]" doc:"The server's message."`
	With *Message `yaml:"with" required:"true" hint:"replies: [{to: PING, with: PONG}]" doc:"The answer."`
}

// TuningClose is how a [Tuning] leaves a dead connection.
type TuningClose struct {
	Frame *bool     `yaml:"frame" doc:"Send a close frame; false: abandon the socket at once." default:"false"`
	Code  *int      `yaml:"code" min:"0" max:"4999" doc:"Status code of the close frame; 0: none." default:"0"`
	Wait  *Duration `yaml:"wait" doc:"How long to wait for the peer's close frame before the client may reconnect." default:"0s"`
}

// TuningReconnect is the reconnect policy of a [Tuning].
type TuningReconnect struct {
	Kind         *string    `yaml:"kind" enum:"never,fixed,list,exponential,linear" doc:"Family of the back-off: linear is delay x n before attempt n." default:"never"`
	Delay        *Duration  `yaml:"delay" doc:"fixed: the delay; exponential, linear: the first delay."`
	Delays       []Duration `yaml:"delays" doc:"list: the delays in turn, then the last one for ever."`
	Factor       *float64   `yaml:"factor" min:"1" max:"100" doc:"exponential: growth per failed attempt." default:"2"`
	Cap          *Duration  `yaml:"cap" doc:"Longest delay; cap_on says of what." default:"none"`
	CapOn        *string    `yaml:"cap_on" enum:"delay,jittered,both" doc:"What the cap bounds: the delay before the jitter, so that clients at the cap stay spread; the jittered one, so that they meet at the cap; or both." default:"delay"`
	Jitter       *string    `yaml:"jitter" enum:"none,full,equal,decorrelated,ratio,spread,once,backo2" doc:"How randomness spreads a delay d: full U[0,d), equal d/2 + U[0,d/2), decorrelated min(cap, U[delay, 3 x previous)), ratio d x (1 +- jitter_ratio), spread d x a factor from each band of spread, once the same with a factor drawn once in a client's life, backo2 as the npm package of that name." default:"none"`
	JitterRatio  *Share     `yaml:"jitter_ratio" doc:"jitter ratio and backo2: how far around the delay."`
	Spread       *Bands     `yaml:"spread" doc:"jitter spread and once: the band of the factor (80%-100%), or several whose factors multiply."`
	Plus         *Span      `yaml:"plus" doc:"Added after the jitter: a time (500ms), or a random one (0s-2s)." default:"0s"`
	First        *Span      `yaml:"first" doc:"Delay of the first attempt, fixed (0s) or random (0s-5s), in place of the policy, which counts from the second." default:"the policy's"`
	AfterLoss    *Span      `yaml:"after_loss" doc:"Delay of the attempt that follows the loss of an open connection; it does not count for the policy." default:"the policy's"`
	AfterTimeout *Span      `yaml:"after_timeout" doc:"Delay of the attempt that follows when the client itself has declared a silent peer dead; it does not count for the policy." default:"after_loss"`
	MaxAttempts  *int       `yaml:"max_attempts" min:"0" max:"1000000" doc:"Failed attempts in a row until the client gives up; 0: never." default:"0"`
	ResetAfter   *Duration  `yaml:"reset_after" doc:"The back-off starts over once a connection stayed open this long." default:"0s, as it opens"`
	StopCodes    []Codes    `yaml:"stop_codes" doc:"Close codes from the server that end reconnecting: 1008, 4000-4999."`
	Lock         *bool      `yaml:"lock" doc:"Forbids two reconnects at once. Without it a client that hears both error and close connects twice." default:"true"`
}

// FileChaos is the chaos section: a list of faults, or {engine, faults}.
type FileChaos struct {
	Engine string      `yaml:"engine" enum:"auto,stream,packet,kernel" doc:"What carries out the network faults: stream on bytes, packet on IP packets in a user-space TCP stack, kernel on those of Linux (needs CAP_NET_ADMIN). auto takes stream, or packet where it takes packets." default:"auto"`
	Faults []FileFault `yaml:"faults" doc:"The faults."`
}

// FileFault is one fault as written; [chaos.Fault] says what the fields do.
type FileFault struct {
	Name    string    `yaml:"name" doc:"For expectations (during NAME) and the report." default:"the kind, with a number behind it if there are several"`
	Kind    string    `yaml:"fault" required:"true" hint:"fault: blackhole" enum:"blackhole,delay,throttle,kill,stall,refuse,idle-cut,drain,suspend,partition,drop,duplicate,reorder,corrupt" doc:"What happens."`
	At      *Duration `yaml:"at" required:"true" hint:"at: 10s" doc:"When it begins, from the start of the run."`
	For     *Duration `yaml:"for" doc:"How long it lasts." default:"until the end of the run"`
	Every   *Duration `yaml:"every" doc:"Repeat it with this period."`
	Times   *int      `yaml:"times" min:"1" max:"1000" doc:"How often in all, with every." default:"as often as fits"`
	Clients *Selector `yaml:"clients" doc:"Whom it hits: all, 33%, 500, a group, or 33% of a group. Drawn from the seed for each occurrence." default:"all"`
	Nodes   []int     `yaml:"nodes" min:"0" max:"8" doc:"Which nodes of the target it hits, from 0: with them the clients that are connected there." default:"all"`

	Like         string    `yaml:"like" enum:"nginx,ingress-nginx,haproxy,envoy,alb,nlb,api-gateway,azure,gcp-nat,cloudflare,cloudflare-gateway,heroku,carrier-nat,home-router,chrome-hidden-tab,chrome-background-tab,phone-asleep" doc:"idle-cut, suspend: a box or device of the real world to take after, how and grid from."`
	Direction    string    `yaml:"direction" enum:"both,up,down" doc:"blackhole, delay, throttle: which bytes, seen from the client." default:"both"`
	How          *How      `yaml:"how" doc:"kill: rst, fin, close, close(CODE), process. idle-cut: silent, rst, fin. suspend: sleep, timers." default:"rst; silent; sleep"`
	Code         *int      `yaml:"code" min:"1000" max:"4999" doc:"kill how close, drain: close code." default:"1012 for kill, 1001 for drain"`
	Restart      *Duration `yaml:"restart" doc:"kill how process: start the server again after this." default:"0s, at once"`
	By           *Duration `yaml:"by" doc:"delay: extra one-way latency."`
	Jitter       *Duration `yaml:"jitter" doc:"delay: spread around by, at most by." default:"0s"`
	Distribution string    `yaml:"distribution" enum:"uniform,normal,exponential,pareto,paretonormal" doc:"delay: how jitter spreads, in the words of tc-netem. uniform: by - jitter to by + jitter. normal, exponential, pareto (shape 3): by is the mean, jitter the standard deviation. paretonormal: a quarter normal, three quarters pareto." default:"uniform"`
	Rate         *Amount   `yaml:"rate" doc:"throttle: bandwidth (20kB/s). drop, duplicate, reorder, corrupt: share of the packets (1%)."`
	Burst        *float64  `yaml:"burst" min:"1" max:"10000" doc:"drop: mean burst length in packets." default:"independent losses"`
	After        *Duration `yaml:"after" doc:"idle-cut: quiet time before the cut."`
	Notice       *string   `yaml:"notice" doc:"drain: message sent before the close. May hold {{.Retry}} (see spread) and {{.Node}} (number of a node that is not drained)." default:"none"`
	Grace        *Duration `yaml:"grace" doc:"drain: time between notice and close." default:"0s"`
	Spread       *Duration `yaml:"spread" doc:"drain: {{.Retry}} in the notice is a number of milliseconds, drawn for each client below this."`
	Grid         *Duration `yaml:"grid" doc:"suspend how timers: timers wake at most once per grid." default:"1m"`
}
