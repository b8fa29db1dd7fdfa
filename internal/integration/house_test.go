package integration_test

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/gatehousetest"
	"github.com/gatehouse-go/gatehouse/keyring"
	"github.com/gatehouse-go/gatehouse/storage/memory"
	"github.com/gatehouse-go/gatehouse/tokens"
	"github.com/gatehouse-go/gatehouse/totp"
)

// house is several processes on one store, with one clock that only moves when told.
type house struct {
	t     testing.TB
	procs []*node
	now   atomic.Int64 // Unix seconds
}

// newHouse returns one whose calls of the store give way to others before they are made, so that
// they interleave also where there are few processors.
func newHouse(t testing.TB, processes int) *house {
	t.Helper()
	h := &house{t: t}
	h.now.Store(gatehousetest.Start.Unix())
	under, keys := memory.New(), keyring.Generate()
	for range processes {
		store := gatehousetest.NewStore(under)
		store.Inject(func(string) gatehousetest.Fault {
			runtime.Gosched()
			return gatehousetest.None
		})
		svc, err := gatehouse.New(store, gatehouse.Config{
			Issuer: "A", Keys: keys, Recovery: gatehousetest.CheapRecovery(), Now: h.time,
		})
		require.NoError(t, err)
		h.add(svc)
	}
	return h
}

// node is a process with access tokens.
type node struct {
	*gatehouse.Service
	tok *tokens.Service
}

func (h *house) add(svc *gatehouse.Service) {
	tok, err := tokens.New(svc, tokens.Policy{Brand: "acme", Scopes: scopes})
	require.NoError(h.t, err)
	h.procs = append(h.procs, &node{svc, tok})
}

func (h *house) time() time.Time { return time.Unix(h.now.Load(), 0) }

// process returns the i-th process, beginning again after the last.
func (h *house) process(i int) *node { return h.procs[i%len(h.procs)] }

// vouch returns a session of an owner who has typed the password.
func (h *house) vouch(id string) gatehouse.Session {
	h.t.Helper()
	in, err := h.procs[0].vouch(id, h.time())
	require.NoError(h.t, err)
	return in
}

func (n *node) vouch(id string, at time.Time) (gatehouse.Session, error) {
	in := gatehouse.Session{Account: id}
	try, err := n.Before(context.Background(), id)
	if err != nil {
		return in, err
	}
	in.Proof, err = try.Vouch(context.Background(), in, gatehouse.FirstFactor{Method: "pwd", At: at})
	return in, err
}

// owner is what the owner of an account has in hand.
type owner struct {
	h     *house
	id    string
	apps  []*gatehousetest.Authenticator
	codes []string
	proof gatehouse.Proof // of this moment, by a code of an authenticator
}

// enroll gives an account an authenticator and recovery codes, with a proof of this moment, and moves
// the clock on to unused codes. The authenticator is imported, as drawing a QR picture takes longer
// than all the rest. Codes of eight digits do not collide in a lifetime of test runs.
func (h *house) enroll(id string) *owner {
	h.t.Helper()
	ctx := context.Background()
	key := totp.Key{Secret: totp.GenerateSecret(), Digits: 8}
	last := totp.Step(h.time()) - 1
	_, err := h.procs[0].Operator("system").Import(ctx, id, gatehouse.Import{
		Authenticators: []gatehouse.ImportAuthenticator{{Secret: key.Secret, Digits: 8, LastStep: last}},
	})
	require.NoError(h.t, err)
	uri, err := key.URI("A", "o")
	require.NoError(h.t, err)
	app, err := gatehousetest.Scan(uri)
	require.NoError(h.t, err)
	o := &owner{h: h, id: id, apps: []*gatehousetest.Authenticator{app}}
	v, err := h.procs[0].StepUp(ctx, o.bare(), o.at(0))
	require.NoError(h.t, err)
	made, err := h.procs[0].Owner(o.session(v.Session.Proof)).RegenerateRecoveryCodes(ctx)
	require.NoError(h.t, err)
	for _, c := range made.Codes {
		o.codes = append(o.codes, c.Reveal())
	}
	o.proof = made.Proof
	h.now.Add(60)
	return o
}

// add pairs another authenticator.
func (o *owner) add() {
	o.h.t.Helper()
	ctx := context.Background()
	face := o.h.procs[0].Owner(o.in())
	enr, err := face.BeginEnrollment(ctx, gatehouse.EnrollmentRequest{Label: "o", Digits: 8})
	require.NoError(o.h.t, err)
	app, err := gatehousetest.Scan(enr.URI())
	require.NoError(o.h.t, err)
	o.proof, err = face.ConfirmEnrollment(ctx, enr.ID, app.Code(o.h.time()))
	require.NoError(o.h.t, err)
	o.apps = append(o.apps, app)
}

// at returns the first authenticator's code some steps from now.
func (o *owner) at(steps int64) string {
	return o.apps[0].Code(o.h.time().Add(time.Duration(steps*30) * time.Second))
}

func (o *owner) challenge() string {
	o.h.t.Helper()
	try, err := o.h.procs[0].Before(context.Background(), o.id)
	require.NoError(o.h.t, err)
	c, err := try.Challenge(context.Background())
	require.NoError(o.h.t, err)
	require.Equal(o.h.t, gatehouse.StepNeeded, c.Step)
	return c.Token.Reveal()
}

func (o *owner) account() gatehouse.Account {
	o.h.t.Helper()
	st, err := o.h.procs[0].Account(context.Background(), o.id)
	require.NoError(o.h.t, err)
	return st
}

// session is the owner's, with a proof.
func (o *owner) session(p gatehouse.Proof) gatehouse.Session {
	return gatehouse.Session{Account: o.id, Proof: p}
}

// bare is the owner's session without one, to step up in.
func (o *owner) bare() gatehouse.Session { return o.session(gatehouse.Proof{}) }

// in is the owner's session with the proof in hand.
func (o *owner) in() gatehouse.Session { return o.session(o.proof) }

// live reports whether a proof is of the present epoch.
func (o *owner) live(p gatehouse.Proof) bool {
	o.h.t.Helper()
	// There is no such authenticator; but that is only told to who has a proof that is enough.
	err := o.h.procs[0].Owner(o.session(p)).RenameAuthenticator(context.Background(), "none", "Phone")
	require.Error(o.h.t, err)
	return errors.Is(err, gatehouse.ErrNotFound)
}

// atOnce runs all at once and waits for them.
func atOnce(all ...func()) {
	var ready, done sync.WaitGroup
	start := make(chan struct{})
	for _, f := range all {
		ready.Add(1)
		done.Go(func() {
			ready.Done()
			<-start
			f()
		})
	}
	ready.Wait()
	close(start)
	done.Wait()
}

// deleted is what a deletion comes to, without what its owner had yet to be told.
func deleted(_ []event.Notice, err error) error { return err }
