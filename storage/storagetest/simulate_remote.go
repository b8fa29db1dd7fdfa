package storagetest

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"time"

	"github.com/gatehouse-go/gatehouse/storage"
)

var (
	errNetwork = errors.New("simulation: network")
	errDead    = errors.New("simulation: the node is dead")
)

// remote is the store as a client has it: each call waits until the scheduler has an answer.
type remote struct {
	over  context.Context // ends with the run
	asks  chan *ask
	ended chan struct{} // is closed when the client has ended
	waits *ask          // for its turn
	dead  atomic.Bool   // the client's node
	open  atomic.Int64  // calls that have not been answered
	heard atomic.Int64  // when the last one was answered
}

// ask is a call that waits for its turn.
type ask struct {
	request
	reply chan answer
}

func newRemote(over context.Context) *remote {
	return &remote{over: over, asks: make(chan *ask), ended: make(chan struct{})}
}

// next waits until the client asks for something, or has ended. There is always one at work, so nobody else does meanwhile.
func (r *remote) next() {
	r.waits = nil
	select {
	case r.waits = <-r.asks:
	case <-r.ended:
	}
}

// tell gives the client an answer, and lets it go on until it asks again.
func (r *remote) tell(a answer) {
	r.waits.reply <- a
	r.next()
}

func (r *remote) ask(what request) answer {
	if r.dead.Load() || r.over.Err() != nil {
		return answer{err: errDead}
	}
	r.open.Add(1)
	defer func() {
		r.heard.Store(time.Now().UnixNano())
		r.open.Add(-1)
	}()
	a := &ask{what, make(chan answer, 1)}
	r.asks <- a
	return <-a.reply
}

func (r *remote) LoadAccount(_ context.Context, id string) (storage.Record, error) {
	return asRecord(r.ask(loadAccount(id)))
}

func (r *remote) AccountByHandle(_ context.Context, h storage.Handle) (storage.Record, error) {
	return asRecord(r.ask(accountByHandle(h)))
}

func asRecord(a answer) (storage.Record, error) {
	if a.err != nil {
		return storage.Record{}, a.err
	}
	return a.value.(storage.Record), nil
}

func (r *remote) SaveAccount(_ context.Context, rec storage.Record, prev int64) error {
	return r.ask(saveAccount(rec, prev)).err
}

func (r *remote) DeleteAccount(_ context.Context, id string) error {
	return r.ask(deleteAccount(id)).err
}

func (r *remote) Accounts(_ context.Context, after string, limit int) (storage.Page[storage.Record], error) {
	return pageOf[storage.Record](r.ask(listAccounts(after, limit)))
}

func (r *remote) UnsentAccounts(_ context.Context, after string, limit int) (storage.Page[storage.Record], error) {
	return pageOf[storage.Record](r.ask(listUnsent(after, limit)))
}

func (r *remote) LoadToken(_ context.Context, id string) (storage.TokenRecord, storage.AccountIndex, error) {
	a := r.ask(loadToken(id))
	if a.err != nil {
		return storage.TokenRecord{}, storage.AccountIndex{}, a.err
	}
	v := a.value.(loaded)
	return v.Token, v.Owner, nil
}

func (r *remote) SaveToken(_ context.Context, t storage.TokenRecord, prev int64) error {
	return r.ask(saveToken(t, prev)).err
}

func (r *remote) DeleteToken(_ context.Context, id string, prev int64) error {
	return r.ask(deleteToken(id, prev)).err
}

func (r *remote) Tokens(_ context.Context, account, after string, limit int) (storage.Page[storage.TokenRecord], error) {
	return pageOf[storage.TokenRecord](r.ask(listTokens(account, after, limit)))
}

func (r *remote) LiveTokens(_ context.Context, account string, live storage.Live, after string, limit int) (storage.Page[storage.TokenRecord], error) {
	return pageOf[storage.TokenRecord](r.ask(listLive(account, live, after, limit)))
}

func (r *remote) AllTokens(_ context.Context, after string, limit int) (storage.Page[storage.TokenRecord], error) {
	return pageOf[storage.TokenRecord](r.ask(listAll(after, limit)))
}

func (r *remote) TouchTokens(_ context.Context, uses []storage.TokenUse) error {
	return r.ask(touchTokens(slices.Clone(uses))).err
}

func pageOf[T any](a answer) (storage.Page[T], error) {
	if a.err != nil {
		return storage.Page[T]{}, a.err
	}
	got := a.value.(rows)
	page := storage.Page[T]{More: got.more}
	for _, r := range got.all {
		page.Records = append(page.Records, r.record.(T))
	}
	return page, nil
}
