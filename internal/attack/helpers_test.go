package attack_test

import (
	"context"
	"net/netip"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/internal/engine"
	"github.com/gatehouse-go/gatehouse/keyring"
	"github.com/gatehouse-go/gatehouse/posture"
	"github.com/gatehouse-go/gatehouse/recovery"
	"github.com/gatehouse-go/gatehouse/storage"
	"github.com/gatehouse-go/gatehouse/storage/memory"
	"github.com/gatehouse-go/gatehouse/tokens"
	"github.com/gatehouse-go/gatehouse/totp"
)

// cheap makes Argon2id fast where its cost is not what is tested.
var cheap = recovery.Params{Memory: 8, Time: 1, Threads: 1}

// settings are a Config, with those of the services that stand on it.
type settings struct {
	gatehouse.Config
	Tokens    *tokens.Policy  // nil: no tokens
	Posture   *posture.Policy // nil: no posture
	HostFacts func(context.Context, string) (posture.Host, error)
}

// house is a service with a clock that only moves when told.
type house struct {
	*gatehouse.Service
	tok   *tokens.Service  // nil: none
	pos   *posture.Service // nil: none
	t     testing.TB
	store storage.Store
	keys  *keyring.Ring
	edits []func(*settings)

	mu  sync.Mutex
	now time.Time
}

// begin is a whole step, so that a test can say how far into one it is.
var begin = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func newHouse(t testing.TB, edit ...func(*settings)) *house {
	t.Helper()
	return houseOn(t, memory.New(), edit...)
}

func houseOn(t testing.TB, store storage.Store, edit ...func(*settings)) *house {
	t.Helper()
	h := &house{t: t, store: store, keys: keyring.Generate(), edits: edit, now: begin}
	c := settings{Config: gatehouse.Config{Issuer: "Acme", Keys: h.keys, Recovery: cheap, Now: h.clock}}
	for _, f := range edit {
		f(&c)
	}
	h.open(c)
	return h
}

// open makes the services.
func (h *house) open(c settings) {
	h.t.Helper()
	var err error
	h.Service, err = gatehouse.New(h.store, c.Config)
	require.NoError(h.t, err)
	if c.Tokens != nil {
		h.tok, err = tokens.New(h.Service, *c.Tokens)
		require.NoError(h.t, err)
	}
	if c.Posture != nil {
		h.pos, err = posture.New(h.Service, posture.Config{Policy: c.Posture, Tokens: h.tok, Host: c.HostFacts})
		require.NoError(h.t, err)
	}
}

// in returns a session of the account that a proof names.
func (h *house) in(p gatehouse.Proof, secret ...string) gatehouse.Session {
	s := gatehouse.Session{Account: accountOf(h.Service, p), Proof: p}
	if len(secret) > 0 {
		s.Secret = secret[0]
	}
	return s
}

// face is what an owner can do with a proof.
type face struct {
	gatehouse.Owner
	h  *house
	in gatehouse.Session
}

func (h *house) Owner(p gatehouse.Proof, secret ...string) face {
	in := h.in(p, secret...)
	return face{h.Service.Owner(in), h, in}
}

func (f face) Mint(ctx context.Context, r tokens.Request) (tokens.Minted, error) {
	return f.h.tok.Mint(ctx, f.in, r)
}
func (f face) Rotate(ctx context.Context, id string, r tokens.Rotation) (tokens.Minted, error) {
	return f.h.tok.Rotate(ctx, f.in, id, r)
}
func (f face) Renew(ctx context.Context, id string, life time.Duration) (tokens.Info, error) {
	return f.h.tok.Renew(ctx, f.in, id, life)
}
func (f face) Revoke(ctx context.Context, id string) error { return f.h.tok.Revoke(ctx, f.in, id) }
func (f face) RevokeAll(ctx context.Context) error         { return f.h.tok.RevokeAll(ctx, f.in) }
func (f face) Permissions(ctx context.Context) (gatehouse.Permissions, error) {
	a := gatehouse.Account{}
	if f.in.Account != "" {
		var err error
		if a, err = f.h.Account(ctx, f.in.Account); err != nil {
			return gatehouse.Permissions{}, err
		}
	}
	return f.h.Service.Permissions(ctx, a, f.in)
}

// operators is what an operator can do.
type operators struct {
	gatehouse.Operator
	h   *house
	tok tokens.Operator
	pos posture.Operator
}

func (h *house) Operator(id string) operators { return h.operators(h.Service.Operator(id)) }

func (h *house) operators(o gatehouse.Operator) operators {
	all := operators{Operator: o, h: h}
	if h.tok != nil {
		all.tok = h.tok.Operator(o)
	}
	if h.pos != nil {
		all.pos = h.pos.Operator(o)
	}
	return all
}

func (o operators) Because(reason string) operators { return o.h.operators(o.Operator.Because(reason)) }
func (o operators) RevokeAll(ctx context.Context, account string) error {
	return o.tok.RevokeAll(ctx, account)
}
func (o operators) CreateServiceAccount(ctx context.Context, account, owner string) error {
	return o.tok.CreateServiceAccount(ctx, account, owner)
}
func (o operators) Mint(ctx context.Context, account string, r tokens.Request) (tokens.Minted, error) {
	return o.tok.Mint(ctx, account, r)
}
func (o operators) Rotate(ctx context.Context, id string, r tokens.Rotation) (tokens.Minted, error) {
	return o.tok.Rotate(ctx, id, r)
}
func (o operators) Renew(ctx context.Context, id string, life time.Duration) (tokens.Info, error) {
	return o.tok.Renew(ctx, id, life)
}
func (o operators) Revoke(ctx context.Context, id string) error { return o.tok.Revoke(ctx, id) }
func (o operators) AcceptRisk(ctx context.Context, account, control string, until time.Time) error {
	return o.pos.AcceptRisk(ctx, account, control, until)
}
func (o operators) WithdrawRisk(ctx context.Context, account, control string) error {
	return o.pos.WithdrawRisk(ctx, account, control)
}
func (o operators) Fleet(ctx context.Context, from posture.Summary, f func(posture.Summary)) (posture.Summary, error) {
	return o.pos.Fleet(ctx, from, f)
}

// Reviews calls f with each account, until it returns false, and returns the fault that ends it.
func (o operators) Reviews(ctx context.Context, after string, f func(string, posture.Review, error) bool) error {
	for r, err := range o.pos.Reviews(ctx, after) {
		if err != nil && r.AccountID == "" {
			return err
		}
		if !f(r.AccountID, r.Review, err) {
			break
		}
	}
	return nil
}

// ShutOut returns up to limit accounts of those that can be read.
func (o operators) ShutOut(ctx context.Context, action, after string, limit int) (page []string, err error) {
	for account, err := range o.pos.ShutOut(ctx, action, after) {
		if err != nil && account != "" {
			continue
		}
		if err != nil {
			return nil, err
		}
		if page = append(page, account); len(page) == limit {
			break
		}
	}
	return page, nil
}

func (o operators) Purge(ctx context.Context, before time.Time, cursor string, f func(gatehouse.Progress)) (gatehouse.Progress, error) {
	return o.tok.Purge(ctx, before, cursor, f)
}
func (o operators) WarnExpiring(ctx context.Context, cursor string, f func(gatehouse.Progress)) (gatehouse.Progress, error) {
	return o.tok.WarnExpiring(ctx, cursor, f)
}

func (h *house) Challenge(ctx context.Context, account string) (gatehouse.Challenge, error) {
	try, err := h.Before(ctx, account)
	if err != nil {
		return gatehouse.Challenge{}, err
	}
	return try.Challenge(ctx)
}

func (h *house) Answer(ctx context.Context, challenge, code string, secret ...string) (gatehouse.Verification, error) {
	return h.Service.Answer(ctx, h.tied("", secret), challenge, code)
}

func (h *house) StepUp(ctx context.Context, account, code string, secret ...string) (gatehouse.Verification, error) {
	return h.Service.StepUp(ctx, h.tied(account, secret), code)
}

func (h *house) RedeemOperatorCode(ctx context.Context, challenge, code string, secret ...string) (gatehouse.Proof, error) {
	return h.Service.RedeemOperatorCode(ctx, h.tied("", secret), challenge, code)
}

func (h *house) CheckChallenge(ctx context.Context, token string) (gatehouse.Challenge, error) {
	return h.Service.CheckChallenge(ctx, gatehouse.Session{}, token)
}

func (h *house) Resync(ctx context.Context, challenge, authenticator, first, second string) error {
	return h.Service.Resync(ctx, gatehouse.Session{}, challenge, authenticator, first, second)
}

func (h *house) CheckProof(ctx context.Context, p gatehouse.Proof, age time.Duration, secret ...string) (gatehouse.ProofInfo, error) {
	return h.Service.CheckProof(ctx, h.in(p, secret...), age)
}

func (h *house) Require(ctx context.Context, p gatehouse.Proof, action string, secret ...string) error {
	return h.pos.Require(ctx, h.in(p, secret...), action)
}

func (h *house) Check(ctx context.Context, text string, from ...netip.Addr) (tokens.Grant, error) {
	return h.tok.Check(ctx, text, addr(from))
}

func (h *house) RotateSelf(ctx context.Context, text string, r tokens.Rotation, from ...netip.Addr) (tokens.Minted, error) {
	return h.tok.RotateSelf(ctx, text, addr(from), r)
}

func addr(from []netip.Addr) netip.Addr {
	if len(from) == 0 {
		return netip.Addr{}
	}
	return from[0]
}

func (h *house) RevokePresented(ctx context.Context, text string) error {
	return h.tok.RevokePresented(ctx, text)
}

func (h *house) Token(ctx context.Context, account, id string) (tokens.Info, error) {
	return h.tok.Get(ctx, account, id)
}

// Tokens returns all tokens of an account.
func (h *house) Tokens(ctx context.Context, account string) (list []tokens.Info, err error) {
	for t, err := range h.tok.List(ctx, account) {
		if err != nil {
			return nil, err
		}
		list = append(list, t)
	}
	return list, nil
}

func (h *house) Review(ctx context.Context, account string) (posture.Review, error) {
	return h.pos.Review(ctx, account)
}

func (h *house) History(ctx context.Context, account string) ([]posture.Snapshot, error) {
	return h.pos.History(ctx, account)
}

func (h *house) Preview(ctx context.Context, account string, try ...func(*posture.Trial) error) (posture.Preview, error) {
	return h.pos.Preview(ctx, account, func(t *posture.Trial) error {
		for _, f := range try {
			if err := f(t); err != nil {
				return err
			}
		}
		return nil
	})
}

func (h *house) tied(account string, secret []string) gatehouse.Session {
	s := gatehouse.Session{Account: account}
	if len(secret) > 0 {
		s.Secret = secret[0]
	}
	return s
}

func (h *house) Activity(ctx context.Context, account string) ([]event.Event, error) {
	a, err := h.Account(ctx, account)
	return a.Activity, err
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

// vouch returns a proof of a first factor that was checked just now.
func (h *house) vouch(id string, secret ...string) gatehouse.Proof {
	h.t.Helper()
	p, err := h.Attest(context.Background(), id, gatehouse.FirstFactor{Method: "pwd", At: h.clock()}, secret...)
	require.NoError(h.t, err)
	return p
}

func (h *house) Attest(ctx context.Context, id string, f gatehouse.FirstFactor, secret ...string) (gatehouse.Proof, error) {
	try, err := h.Before(ctx, id)
	if err != nil {
		return gatehouse.Proof{}, err
	}
	return try.Vouch(ctx, h.tied(id, secret), f)
}

// keyOf reads a key as an authenticator app would have it.
func keyOf(enr gatehouse.Enrollment, digits int) totp.Key {
	return totp.Key{Secret: enr.Secret, Digits: digits}
}

// enroll pairs an account's first authenticator, and moves the clock to the next step so that a code
// is unused.
func (h *house) enroll(id string) *owner {
	h.t.Helper()
	ctx := context.Background()
	face := h.Owner(h.vouch(id))
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
	require.Equal(o.h.t, gatehouse.StepNeeded, ch.Step)
	return ch.Token.Reveal()
}

// signIn answers a new challenge.
func (o *owner) signIn(code string) (gatehouse.Verification, error) {
	o.h.t.Helper()
	return o.h.Answer(context.Background(), o.challenge(), code)
}

func removing(id string) func(*posture.Trial) error {
	return func(t *posture.Trial) error { return t.RemoveAuthenticator(id) }
}

func accepting(control string, until time.Time) func(*posture.Trial) error {
	return func(t *posture.Trial) error { return t.AcceptRisk(control, until) }
}

func planning(plan string) func(*posture.Trial) error {
	return func(t *posture.Trial) error { return t.ChangePlan(plan) }
}

// The codes of gatehouse.ImportOutcome.
const (
	importBrought         gatehouse.ImportOutcome = "brought"
	importWeak            gatehouse.ImportOutcome = "weak"
	importThere           gatehouse.ImportOutcome = "there"
	importDuplicate       gatehouse.ImportOutcome = "duplicate"
	importTooMany         gatehouse.ImportOutcome = "too_many"
	importBadSecret       gatehouse.ImportOutcome = "bad_secret"
	importBadPeriod       gatehouse.ImportOutcome = "bad_period"
	importBadParameters   gatehouse.ImportOutcome = "bad_parameters"
	importBadCode         gatehouse.ImportOutcome = "bad_code"
	importBadHash         gatehouse.ImportOutcome = "bad_hash"
	importGuessable       gatehouse.ImportOutcome = "guessable"
	importEightDigits     gatehouse.ImportOutcome = "eight_digits"
	importHasCodes        gatehouse.ImportOutcome = "has_codes"
	importNoAuthenticator gatehouse.ImportOutcome = "no_authenticator"
)

// accountOf returns the account that a proof names, "" for none that a Service has made.
func accountOf(svc *gatehouse.Service, p gatehouse.Proof) string {
	var proof core.Proof
	_ = engine.Of(svc).Open(context.Background(), engine.PurposeProof, p.Reveal(), &proof)
	return proof.Account
}

// shown returns a view without what it hides, to be compared.
func shown[T any](v T) T {
	var s T
	from, to := reflect.ValueOf(v), reflect.ValueOf(&s).Elem()
	for n := range from.NumField() {
		if from.Type().Field(n).IsExported() {
			to.Field(n).Set(from.Field(n))
		}
	}
	return s
}

// deleted is what a deletion comes to, without what its owner had yet to be told.
func deleted(_ []event.Notice, err error) error { return err }
