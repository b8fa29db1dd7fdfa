package gatehousetest

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/keyring"
	"github.com/gatehouse-go/gatehouse/recovery"
	"github.com/gatehouse-go/gatehouse/storage/memory"
	"github.com/gatehouse-go/gatehouse/totp"
)

// CheapRecovery makes Argon2id cost next to nothing.
func CheapRecovery() recovery.Params { return recovery.Params{Memory: 8, Time: 1, Threads: 1} }

// Service is a gatehouse.Service in a test.
type Service struct {
	*gatehouse.Service
	Store  *Store    // the store of the service, in memory
	Events *Recorder // what was told

	clock  *clock // nil: Config.Now was set
	now    func() time.Time
	issuer string
}

// Start is when the clock of New starts: at the beginning of a time step.
var Start = time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC)

// New returns a service on a store in memory, with a clock that starts at Start and moves by
// Service.Wait alone. edit may change its Config. Inside a testing/synctest bubble set Now to
// time.Now: then the service goes by the bubble's clock, and Wait sleeps.
func New(t testing.TB, edit ...func(*gatehouse.Config)) *Service {
	t.Helper()
	s := &Service{Store: NewStore(memory.New()), Events: &Recorder{}, clock: &clock{now: Start}}
	c := gatehouse.Config{Issuer: "Acme", Keys: keyring.Generate(), Recovery: CheapRecovery(), Observer: s.Events}
	for _, f := range edit {
		f(&c)
	}
	if c.Now == nil {
		c.Now = s.clock.Now
	} else {
		s.clock = nil
	}
	s.now, s.issuer = c.Now, c.Issuer
	svc, err := gatehouse.New(s.Store, c)
	if err != nil {
		t.Fatal(err)
	}
	s.Service = svc
	return s
}

// Now returns the time by the service's clock.
func (s *Service) Now() time.Time { return s.now() }

// Wait lets time pass: back, too, if d is negative and the clock is New's own.
func (s *Service) Wait(d time.Duration) {
	if s.clock == nil {
		time.Sleep(d)
		return
	}
	s.clock.wait(d)
}

// User is the owner of an account that has two-factor sign-in.
type User struct {
	AccountID       string
	Authenticator   *Authenticator
	AuthenticatorID string
	RecoveryCodes   recovery.Codes
	Proof           gatehouse.Proof // of the second factor, as of the enrollment

	s       *Service
	passkey *Passkey // the last one that was added
}

// Enroll gives an account its first authenticator, and waits until a code can be used again.
func (s *Service) Enroll(t testing.TB, account string) *User {
	t.Helper()
	ctx := context.Background()
	in := s.Vouch(t, account)
	face := s.Owner(in)
	enr, err := face.BeginEnrollment(ctx, gatehouse.EnrollmentRequest{Label: "owner@example.test"})
	if err != nil {
		t.Fatal(err)
	}
	app, err := Scan(enr.URI())
	if err != nil {
		t.Fatal(err)
	}
	proof, err := face.ConfirmEnrollment(ctx, enr.ID, app.Code(s.Now()))
	if err != nil {
		t.Fatal(err)
	}
	s.Wait(totp.Period)
	return &User{
		AccountID: account, Authenticator: app, AuthenticatorID: enr.ID,
		RecoveryCodes: enr.RecoveryCodes, Proof: proof, s: s,
	}
}

// Vouch returns the session of somebody who has typed the account's password just now.
func (s *Service) Vouch(t testing.TB, account string) gatehouse.Session {
	t.Helper()
	in := gatehouse.Session{Account: account}
	try, err := s.Before(context.Background(), account)
	if err == nil {
		in.Proof, err = try.Vouch(context.Background(), in, gatehouse.FirstFactor{Method: "pwd", At: s.Now()})
	}
	if err != nil {
		t.Fatal(err)
	}
	return in
}

// Challenge returns the second step of somebody who has typed the account's password just now, for
// gatehouse.Service.Answer. The Step of an account without a second factor is gatehouse.StepNotNeeded.
func (s *Service) Challenge(t testing.TB, account string) gatehouse.Challenge {
	t.Helper()
	try, err := s.Before(context.Background(), account)
	if err != nil {
		t.Fatal(err)
	}
	ch, err := try.Challenge(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return ch
}

// Session returns a session of the user with the Proof.
func (u *User) Session() gatehouse.Session {
	return gatehouse.Session{Account: u.AccountID, Proof: u.Proof}
}

// StepUp waits for the authenticator's next code, and returns a session with the proof of it.
func (u *User) StepUp(t testing.TB) gatehouse.Session {
	t.Helper()
	v, err := u.s.StepUp(context.Background(), gatehouse.Session{Account: u.AccountID}, u.Code())
	if err != nil {
		t.Fatal(err)
	}
	return gatehouse.Session{Account: u.AccountID, Proof: v.Session.Proof}
}

// Code waits for the authenticator's next code, which nobody has used, and returns it.
func (u *User) Code() string { return u.s.Code(u.Authenticator) }

// Code waits for the next code of an app, which nobody has used, and returns it.
func (s *Service) Code(app *Authenticator) string {
	s.Wait(totp.Period)
	return app.Code(s.Now())
}

// clock only moves when told.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) wait(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// Recorder is an Observer that keeps what it is told. The zero Recorder is ready.
type Recorder struct {
	mu     sync.Mutex
	events []event.Event
}

// Observe keeps e.
func (r *Recorder) Observe(_ context.Context, e event.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, e)
}

// Take returns the events since the last Take, oldest first.
func (r *Recorder) Take() []event.Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	events := r.events
	r.events = nil
	return events
}
