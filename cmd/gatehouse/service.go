package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"sync"

	"github.com/urfave/cli/v3"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/keyring"
	"github.com/gatehouse-go/gatehouse/posture"
	"github.com/gatehouse-go/gatehouse/recovery"
	"github.com/gatehouse-go/gatehouse/storage"
	"github.com/gatehouse-go/gatehouse/storage/sqlstore"
	"github.com/gatehouse-go/gatehouse/tokens"
	"github.com/gatehouse-go/gatehouse/totp"
)

// operatorFlags are those of commands that change something.
func operatorFlags(more ...cli.Flag) []cli.Flag {
	return append([]cli.Flag{
		&cli.StringFlag{Name: "operator", Usage: "`ID` of who does this, for the account's activity and the events", Sources: cli.EnvVars("GATEHOUSE_OPERATOR")},
		&cli.StringFlag{Name: "reason", Usage: "`TEXT` that says why; owners can read it"},
		&cli.StringFlag{Name: "event-log", Usage: "`FILE` to append the events to, one JSON document a line: the service's observer is not told of them", Sources: cli.EnvVars("GATEHOUSE_EVENT_LOG")},
		windowFlag(), noticesFlag(),
	}, more...)
}

func noticesFlag() cli.Flag {
	return &cli.BoolFlag{Name: "notices", Usage: "the service sets Config.Notices: its owners are told what this command changes", Sources: cli.EnvVars("GATEHOUSE_NOTICES")}
}

func windowFlag() cli.Flag {
	return &cli.StringFlag{Name: "window", Value: "1,1", Usage: "`BACK,AHEAD` in steps, where the service sets Config.Window", Sources: cli.EnvVars("GATEHOUSE_WINDOW")}
}

func keysFlag() cli.Flag {
	return &cli.StringFlag{Name: "keys", Usage: "`FILE` with the keys, mode 0600; else they come from GATEHOUSE_KEYS"}
}

// session is one run of a command on a database.
type session struct {
	c      *cli.Command
	db     *database
	store  *sqlstore.Store
	svc    *gatehouse.Service
	tokens *tokens.Service
	review *posture.Service // nil: the command does not need it
	out    io.Writer
	errs   io.Writer
	events recorder
	log    *eventLog // nil: none
}

// setting is what a command needs of its Service beside the store.
type setting struct {
	keys    bool // the real ones
	brand   bool // that of tokens
	dry     bool // nothing is saved, and nothing is told
	posture func(keys bool) (*posture.Policy, error)
}

// open connects, sees that the tables are of this version, and makes the Service.
func open(ctx context.Context, c *cli.Command, need setting) (*session, error) {
	db, err := parseDatabase(c, false)
	if err != nil {
		return nil, err
	}
	s := &session{c: c, db: db, out: c.Root().Writer, errs: c.Root().ErrWriter}
	if err := s.begin(ctx, need); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *session) begin(ctx context.Context, need setting) (err error) {
	config := gatehouse.Config{Issuer: "gatehouse", Observer: event.ObserverFunc(s.observe), Notices: s.c.Bool("notices")}
	ring, err := ringOf(s.c)
	if err != nil && (need.keys || s.c.String("keys") != "" || need.posture != nil && !errors.Is(err, errNoKeys)) {
		return err
	}
	known := ring != nil
	if config.Keys = ring; !known {
		// Nothing is ever sealed with it: what seals asks for the real ones.
		config.Keys = keyring.Generate()
	}
	policy, err := tokenPolicy(s.c, need.brand)
	if err != nil {
		return err
	}
	if config.Window, err = windowOf(s.c); err != nil {
		return err
	}
	if path := s.c.String("event-log"); path != "" && !need.dry {
		file, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			return errors.New("-event-log: cannot write to " + path)
		}
		s.log = newEventLog(file)
	}
	if s.store, err = s.db.connect(ctx); err != nil {
		return err
	}
	if err := s.store.Check(ctx); err != nil {
		return s.db.explain(ctx, err)
	}
	var store storage.Store = s.store
	if need.dry {
		store, config.Recovery = dryStore{store}, recovery.Params{Memory: 8, Time: 1, Threads: 1} // hashes that nobody keeps
	}
	if s.svc, err = gatehouse.New(store, config); err != nil {
		return err
	}
	if s.tokens, err = tokens.New(s.svc, policy); err != nil || need.posture == nil {
		return err
	}
	judged, err := need.posture(known)
	if err != nil {
		return err
	}
	s.review, err = posture.New(s.svc, posture.Config{Policy: judged, Tokens: s.tokens})
	return err
}

// dryStore is a store of which nothing is changed.
type dryStore struct{ storage.Store }

func (dryStore) SaveAccount(context.Context, storage.Record, int64) error { return nil }

func (s *session) close() {
	s.db.Close()
	if s.log != nil {
		s.log.file.Close()
	}
}

// eventLog appends events to a file. A logger drops the errors of its writer, and they are kept here.
type eventLog struct {
	file *os.File
	event.Observer
	failed error
}

func newEventLog(file *os.File) *eventLog {
	l := &eventLog{file: file}
	l.Observer = event.Log(slog.New(slog.NewJSONHandler(l, nil)))
	return l
}

func (l *eventLog) Write(line []byte) (int, error) {
	n, err := l.file.Write(line)
	if err != nil {
		l.failed = err
	}
	return n, err
}

// recorder keeps what a command has done, as the methods themselves do not tell whether anything was to be done.
type recorder struct {
	mu   sync.Mutex
	told []event.Event
	each func(event.Event) // nil: keep them
}

func (s *session) observe(ctx context.Context, e event.Event) {
	s.events.mu.Lock()
	defer s.events.mu.Unlock()
	if e.OperatorID == "" { // of a token that was revoked by its possession, for one
		e.OperatorID, e.Reason = s.c.String("operator"), s.c.String("reason")
	}
	if s.log != nil {
		s.log.Observe(ctx, e)
	}
	if s.events.each != nil {
		s.events.each(e)
		return
	}
	s.events.told = append(s.events.told, e)
}

// happened returns the first event of a kind, and whether there is one.
func (s *session) happened(kinds ...event.Kind) (event.Event, bool) {
	s.events.mu.Lock()
	defer s.events.mu.Unlock()
	for _, e := range s.events.told {
		for _, k := range kinds {
			if e.Kind == k {
				return e, true
			}
		}
	}
	return event.Event{}, false
}

func windowOf(c *cli.Command) (*totp.Window, error) {
	if c.Name == "after-restore" && !c.IsSet("window") {
		return &totp.Window{Past: 2, Ahead: 2}, nil // the widest: what it uses up too much comes back in a minute
	}
	back, ahead, ok := strings.Cut(c.String("window"), ",")
	if c.String("window") == "" {
		return nil, nil
	}
	past, err1 := strconv.Atoi(back)
	next, err2 := strconv.Atoi(ahead)
	w := totp.Window{Past: past, Ahead: next}
	if !ok || err1 != nil || err2 != nil || w.Check() != nil {
		return nil, usagef("-window is two numbers of 0 to 2, such as 1,1")
	}
	return &w, nil
}

// tokenPolicy returns a policy that ends tokens of whatever scope. It mints none.
func tokenPolicy(c *cli.Command, brand bool) (tokens.Policy, error) {
	name := "none"
	if brand {
		if name = c.String("brand"); name == "" {
			return tokens.Policy{}, usagef("%s needs -brand (or GATEHOUSE_BRAND): what the service's tokens begin with", c.Name)
		}
		if tokens.CheckBrand(name) != nil {
			return tokens.Policy{}, usagef("-brand is not one that tokens can have")
		}
	}
	registry, err := tokens.NewRegistry(tokens.ScopeInfo{Scope: "none:none", Description: "nothing"})
	return tokens.Policy{Brand: name, Scopes: registry}, err
}
