package gatehouse_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/keyring"
	"github.com/gatehouse-go/gatehouse/recovery"
	"github.com/gatehouse-go/gatehouse/storage"
	"github.com/gatehouse-go/gatehouse/storage/memory"
	"github.com/gatehouse-go/gatehouse/totp"
)

// cheap makes Argon2id fast where its cost is not what is tested.
var cheap = recovery.Params{Memory: 8, Time: 1, Threads: 1}

// house is a service with a clock that only moves when told.
type house struct {
	*gatehouse.Service
	t     testing.TB
	store storage.Store
	keys  *keyring.Ring
	edits []func(*gatehouse.Config)

	mu  sync.Mutex
	now time.Time
}

// begin is a whole step, so that a test can say how far into one it is.
var begin = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func newHouse(t testing.TB, edit ...func(*gatehouse.Config)) *house {
	t.Helper()
	return houseOn(t, memory.New(), edit...)
}

func houseOn(t testing.TB, store storage.Store, edit ...func(*gatehouse.Config)) *house {
	t.Helper()
	h := &house{t: t, store: store, keys: keyring.Generate(), edits: edit, now: begin}
	c := gatehouse.Config{Issuer: "Acme", Keys: h.keys, Recovery: cheap, Now: h.clock}
	for _, f := range edit {
		f(&c)
	}
	svc, err := gatehouse.New(store, c)
	require.NoError(t, err)
	h.Service = svc
	return h
}

func (h *house) clock() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.now
}

func (h *house) wait(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.now = h.now.Add(d)
}

// owner is an account with one authenticator and its recovery codes.
type owner struct {
	h     *house
	id    string
	key   totp.Key
	auth  string // the authenticator's ID
	codes recovery.Codes
	proof gatehouse.Proof
}

// code returns the authenticator's code now, some steps away.
func (o *owner) code(steps ...int64) string {
	o.h.t.Helper()
	step := totp.Step(o.h.clock())
	for _, s := range steps {
		step += s
	}
	code, err := o.key.Code(step)
	require.NoError(o.h.t, err)
	return code
}

// wrong returns a code that is none of the steps near now.
func (o *owner) wrong() string {
	o.h.t.Helper()
	near := map[string]bool{}
	for s := int64(-30); s <= 30; s++ {
		near[o.code(s)] = true
	}
	for _, code := range []string{"000000", "111111", "222222", "333333"} {
		if !near[code] {
			return code
		}
	}
	panic("unlucky beyond belief")
}

func (h *house) attest(id string, opts ...gatehouse.Option) gatehouse.Proof {
	h.t.Helper()
	p, err := h.Attest(context.Background(), id, gatehouse.FirstFactor{Method: "pwd", At: h.clock()}, opts...)
	require.NoError(h.t, err)
	return p
}

// keyOf reads a key as an authenticator app would have it.
func keyOf(enr gatehouse.Enrollment, digits int) totp.Key {
	return totp.Key{Secret: enr.Secret(), Digits: digits}
}

// enroll pairs an account's first authenticator, and moves the clock to the next step so that a code
// is unused.
func (h *house) enroll(id string) *owner {
	h.t.Helper()
	ctx := context.Background()
	face := h.Owner(h.attest(id))
	enr, err := face.BeginEnrollment(ctx, gatehouse.EnrollmentRequest{Label: "ada@acme.test"})
	require.NoError(h.t, err)
	o := &owner{h: h, id: id, key: keyOf(enr, 6), auth: enr.ID, codes: enr.RecoveryCodes}
	o.proof, err = face.ConfirmEnrollment(ctx, enr.ID, o.code())
	require.NoError(h.t, err)
	h.wait(totp.Period)
	return o
}

func (o *owner) challenge() string {
	o.h.t.Helper()
	ch, err := o.h.Challenge(context.Background(), o.id)
	require.NoError(o.h.t, err)
	require.Equal(o.h.t, gatehouse.Needed, ch.Step)
	return ch.Token.Reveal()
}

// signIn answers a new challenge.
func (o *owner) signIn(code string) (gatehouse.Verification, error) {
	o.h.t.Helper()
	return o.h.Answer(context.Background(), o.challenge(), code)
}
