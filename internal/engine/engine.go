// Package engine has the way of every change: load a record, let it decide, save it if nothing has changed in between,
// tell what has happened, answer. Package gatehouse is the account on top of it, and tokens, posture and what else comes
// are services that stand on the same engine.
package engine

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/internal/queue"
	"github.com/gatehouse-go/gatehouse/keyring"
	"github.com/gatehouse-go/gatehouse/storage"
	"github.com/gatehouse-go/gatehouse/totp"
)

// Of returns the engine of a *gatehouse.Service. Package gatehouse sets it, as no other can see into one.
var Of func(service any) *Engine

// Config is what an Engine is made of. All of it is set.
type Config struct {
	Store    storage.Store
	Keys     *keyring.Ring
	Sealer   keyring.Sealer // of the secrets of authenticators
	Window   totp.Window
	Observer event.Observer // nil: none
	Notices  bool           // what owners must be told is kept until they have been
	Now      func() time.Time
}

// Engine is safe for concurrent use. It holds per-account locks, and events that wait for the Observer.
type Engine struct {
	Config
	Hooks  Hooks
	Counts Counts

	turns     queue.Turns  // of accounts that are changed
	line      queue.Turns  // of accounts that need Argon2id
	issued    atomic.Int64 // the last of Issued
	observers *observers
	attached  bool // its changes keep their caller's context
}

// Counts counts what services that stand on the engine have left out.
type Counts struct{ HostUnknown, TokenUsesLost atomic.Uint64 }

// New returns an Engine.
func New(c Config) *Engine {
	return &Engine{Config: c, observers: newObservers(c.Observer)}
}

// Env returns what a transition may know of the world now.
func (e *Engine) Env() core.Env {
	e.Hooks.fix()
	env := core.Env{Now: time.Unix(e.Now().Unix(), 0).UTC(), Window: e.Window}
	if e.Notices {
		env.Fresh, env.Notices = freshNotices()
	} else {
		env.Fresh = Fresh()
	}
	return env
}

// freshNotices returns what Fresh does and a UUID, from one read: two would be felt in each sign-in.
func freshNotices() (int64, core.NoticeID) {
	for {
		var b [8 + 16]byte
		_, _ = rand.Read(b[:]) // never fails: the process ends instead
		if n := int64(binary.BigEndian.Uint64(b[:])); n != 0 {
			return n, core.NewNoticeID([16]byte(b[8:]))
		}
	}
}

// EnvOf returns Env for a change that comes with a request.
func (e *Engine) EnvOf(ctx context.Context) core.Env {
	env := e.Env()
	if c, _ := event.ClientOf(ctx); c.Address.IsValid() || c.Agent != "" {
		env.Client = core.Client{Address: string(c.Address.AsSlice()), Agent: c.Agent}
	}
	return env
}

// Fresh returns a random number that is not 0.
func Fresh() int64 {
	for {
		var b [8]byte
		_, _ = rand.Read(b[:]) // never fails: the process ends instead
		if n := int64(binary.BigEndian.Uint64(b[:])); n != 0 {
			return n
		}
	}
}

// ErrBusy says that more wait for an account or for Argon2id than this process takes.
var ErrBusy = errors.New("gatehouse: too busy")

// CheckID returns ErrInvalid unless an account can have the ID.
func CheckID(account string) error {
	if err := storage.CheckID(account); err != nil {
		return fmt.Errorf("%w: account ID: %w", core.ErrInvalid, err)
	}
	return nil
}

// Load returns an account, with the zero Epoch where there is no record of it.
func (e *Engine) Load(ctx context.Context, id string) (core.Account, error) {
	kept, err := e.loadAccount(ctx, id)
	return kept.Record, err
}

func (e *Engine) loadAccount(ctx context.Context, id string) (Kept[core.Account], error) {
	none := Kept[core.Account]{Record: core.Account{ID: id}}
	if err := CheckID(id); err != nil {
		return none, err
	}
	rec, err := Retry(ctx, func() (storage.Record, error) { return e.Store.LoadAccount(ctx, id) })
	if errors.Is(err, storage.ErrNotFound) {
		return none, nil
	}
	if err != nil {
		return none, fmt.Errorf("gatehouse: load account: %w", err)
	}
	if rec.ID != id { // a store that folds case or accents
		return none, errors.New("gatehouse: load account: the store has answered with another")
	}
	a, err := core.Decode(id, rec.Data)
	return Kept[core.Account]{a, rec.Version, rec.Data}, err
}

// accounts is how accounts are loaded and saved.
func (e *Engine) accounts() Kind[core.Account] {
	return Kind[core.Account]{Name: "account", Load: e.loadAccount, Save: e.saveAccount}
}

func (e *Engine) saveAccount(ctx context.Context, a core.Account, data []byte, version, prev int64) error {
	return e.Store.SaveAccount(ctx, storage.Record{ID: a.ID, Version: version, Data: data, Index: a.Index(e.Window)}, prev)
}

// Tell tells the Observer events of an account, in the order in which they are given.
func (e *Engine) Tell(ctx context.Context, account string, events ...core.Event) {
	e.observers.add(ctx, account, events)()
}

// TellLater has events told in their order, and does not wait until they are.
func (e *Engine) TellLater(ctx context.Context, account string, events ...core.Event) {
	go e.observers.add(ctx, account, events)()
}

// Close stores what services have not stored yet, and returns when every event that was added is told or dropped.
func (e *Engine) Close(ctx context.Context) error {
	var stored error
	if e.Hooks.Close != nil {
		stored = e.Hooks.Close(ctx)
	}
	return errors.Join(stored, e.observers.flush(ctx))
}

// EventCounts returns how many events were not told, and how many were told too late.
func (e *Engine) EventCounts() (dropped, late uint64) {
	return e.observers.dropped.Load(), e.observers.late.Load()
}
