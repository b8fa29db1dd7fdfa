package attack_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/internal/engine"
	"github.com/gatehouse-go/gatehouse/storage"
	"github.com/gatehouse-go/gatehouse/storage/memory"
	"github.com/gatehouse-go/gatehouse/totp"
)

var browser = gatehouse.Session{Secret: "browser"}

// withKey is an owner who has a passkey beside an app.
func (o *owner) withKey() *device {
	o.h.t.Helper()
	d := o.h.device(o.id, "Stick")
	proof, err := d.add(o.h.t.Context(), o.h.in(o.fresh()), engine.PasskeyRequest{})
	require.NoError(o.h.t, err)
	o.proof = proof
	return d
}

// on is the device at another node.
func (d *device) on(h *house) *device {
	c := *d
	c.h = h
	return &c
}

// captured asks for a challenge and returns what gives the same answer to it each time.
func (d *device) captured(purpose core.PasskeyPurpose) func(h *house) error {
	d.h.t.Helper()
	var begun *core.Challenge
	if purpose == core.PasskeyAnswer {
		ch, err := d.h.Challenge(d.h.t.Context(), d.account)
		require.NoError(d.h.t, err)
		begun, err = engine.OpenSignIn(d.h.t.Context(), d.h.Service, ch.Token.Reveal(), d.account)
		require.NoError(d.h.t, err)
	}
	c, err := d.asked(d.h.t.Context(), browser, purpose, begun)
	require.NoError(d.h.t, err)
	found := d.found
	return func(h *house) error {
		_, err := d.on(h).answer(context.Background(), browser, purpose, c, begun, found)
		return err
	}
}

var purposes = []core.PasskeyPurpose{core.PasskeyAnswer, core.PasskeyStepUp, core.PasskeySignIn}

// Row K3 of passkeys: one assertion at once 200 times, for each purpose, in one process and in two: one wins.
func TestOneAssertionOneWinner(t *testing.T) {
	t.Parallel()
	for _, processes := range []int{1, 2} {
		for _, purpose := range purposes {
			t.Run(fmt.Sprintf("%d processes/purpose %d", processes, purpose), func(t *testing.T) {
				h := newHouse(t)
				houses := []*house{h, h}
				if processes == 2 {
					houses[1] = h.twin()
				}
				d := h.enroll("user-42").withKey()
				before := h.account("user-42")
				give := d.captured(purpose)
				oneWinner(t, atOnce(200, func(i int) error { return give(houses[i%2]) }))
				after := h.account("user-42")
				if purpose == core.PasskeyStepUp {
					require.Equal(t, before.SignIns, after.SignIns)
				} else {
					require.Equal(t, before.SignIns+1, after.SignIns)
				}
				require.Greater(t, after.Passkeys[0].Accepted, before.Passkeys[0].Accepted)
				require.NoError(t, d.captured(purpose)(h), "and the next one is taken")
			})
		}
	}
}

// An enrollment is finished once, and a challenge that was answered by one purpose is of no use for another.
func TestOnePasskeyOnce(t *testing.T) {
	h := newHouse(t)
	o := h.enroll("user-42")
	d := h.device("user-42", "Stick")
	in := h.in(o.fresh())
	_, err := d.begin(t.Context(), in, engine.PasskeyRequest{})
	require.NoError(t, err)
	errs := atOnce(50, func(int) error {
		_, err := d.on(h).finish(context.Background(), in)
		return err
	})
	won := 0
	for _, err := range errs {
		if err == nil {
			won++
			continue
		}
		require.True(t, errors.Is(err, gatehouse.ErrStepUpRequired) || errors.Is(err, gatehouse.ErrNotFound), "%v", err)
	}
	require.Equal(t, 1, won)
	require.Len(t, h.account("user-42").Passkeys, 1)
}

// Row K10 of passkeys: the reply of a save is lost. While the record tells that it was made the owner is in, otherwise it
// is a fault; and the assertion is used up.
func TestLostReplyOfAPasskey(t *testing.T) {
	for _, purpose := range purposes {
		for _, others := range []int{0, 1, 16, 17, 40} {
			store := &lossy{Store: memory.New()}
			h := houseOn(t, store)
			d := h.enroll("user-42").withKey()
			give := d.captured(purpose)
			store.lose, store.others = "account", others
			err := give(h)
			require.Empty(t, store.lose)
			if others <= 16 {
				require.NoError(t, err, "%d, purpose %d", others, purpose)
			} else {
				require.ErrorIs(t, err, engine.ErrUnsure, "%d, purpose %d", others, purpose)
			}
			require.ErrorIs(t, give(h), gatehouse.ErrDenied, "it was made, once")
		}
	}
}

// A sign-in by a passkey costs one read and one write, as a step-up does; what has changed since the read is decided on
// again.
func TestPasskeyCosts(t *testing.T) {
	deps := &deps{}
	under := memory.New()
	h := houseOn(t, watchedStore{under, deps})
	h.store = under
	d := h.enroll("user-42").withKey()
	for purpose, want := range map[core.PasskeyPurpose][]string{
		core.PasskeyStepUp: {"LoadAccount", "SaveAccount"}, core.PasskeyAnswer: {"LoadAccount", "SaveAccount"}, core.PasskeySignIn: {"AccountByHandle", "SaveAccount"},
	} {
		give := d.captured(purpose)
		deps.calls = nil
		require.NoError(t, give(h))
		var made []string
		for _, c := range deps.calls {
			made = append(made, c.name)
		}
		require.Equal(t, want, made)
	}

	kept, err := engine.Of(h.Service).LoadByHandle(t.Context(), d.handle())
	require.NoError(t, err)
	require.NoError(t, h.Operator("op").PasswordChanged(t.Context(), "user-42", gatehouse.KeepTokens))
	seen := 0
	require.NoError(t, engine.Of(h.Service).Change(t.Context(), "user-42", engine.Transition{Loaded: &kept, Step: func(a core.Account, env core.Env) (core.Account, error) {
		seen++
		require.Equal(t, seen == 1, a.Epoch == kept.Record.Epoch, "first as it was loaded, then as it is")
		return a.Suspend(core.By{Operator: "op"}, env), nil
	}}))
	require.Equal(t, 2, seen)
	_, err = engine.Of(h.Service).LoadByHandle(t.Context(), storage.Handle{})
	require.ErrorIs(t, err, gatehouse.ErrNotFound)
	_, err = engine.Of(h.Service).LoadByHandle(t.Context(), storage.Handle{1})
	require.ErrorIs(t, err, gatehouse.ErrNotFound)
}

// misfiled is a store that answers a handle with another account.
type misfiled struct {
	storage.Store
	answer string
}

func (s misfiled) AccountByHandle(ctx context.Context, _ storage.Handle) (storage.Record, error) {
	return s.Store.LoadAccount(ctx, s.answer)
}

// A store that mixes handles up signs nobody in to another account.
func TestHandleOfAnother(t *testing.T) {
	h := newHouse(t)
	d := h.enroll("ada").withKey()
	h.enroll("bob").withKey()
	for _, answer := range []string{"bob", "ada"} {
		broken := houseOn(t, misfiled{h.store, answer}, func(c *settings) { c.Keys, c.Now = h.keys, h.clock })
		err := d.captured(core.PasskeySignIn)(broken)
		if answer == "ada" {
			require.NoError(t, err)
			continue
		}
		require.Error(t, err)
		require.False(t, isAnswer(err), "a fault: %v", err)
	}
}

// What is sealed for one purpose, or with a byte of it changed, is no challenge of a ceremony, and one is nothing else.
func TestSealedCeremony(t *testing.T) {
	ctx := t.Context()
	h := newHouse(t)
	o := h.enroll("user-42")
	e := engine.Of(h.Service)
	c := core.PasskeyChallenge{
		Purpose: core.PasskeyAnswer, Account: "user\x00\xc3\xa9", Epoch: -1, SignIns: 3, Begun: 4, At: 1 << 62, Session: engine.Digest("x"), Enrollment: "e",
	}
	raw, err := e.SealCeremony(ctx, c)
	require.NoError(t, err)
	got, err := e.OpenCeremony(ctx, raw)
	require.NoError(t, err)
	require.Equal(t, c, got)
	again, err := e.SealCeremony(ctx, c)
	require.NoError(t, err)
	require.NotEqual(t, raw, again, "a browser cannot tell what it says")
	for i := range raw {
		forged := slices.Clone(raw)
		forged[i] ^= 1
		_, err := e.OpenCeremony(ctx, forged)
		require.ErrorIs(t, err, engine.ErrSealed)
	}
	for _, other := range [][]byte{nil, raw[:len(raw)-1], append(slices.Clone(raw), 0), make([]byte, 1<<20)} {
		_, err := e.OpenCeremony(ctx, other)
		require.ErrorIs(t, err, engine.ErrSealed)
	}
	for _, text := range []string{o.challenge(), o.proof.Reveal()} {
		_, err := e.OpenCeremony(ctx, []byte(text))
		require.ErrorIs(t, err, engine.ErrSealed)
	}
	longest := core.PasskeyChallenge{Purpose: 3, Account: string(make([]byte, 255)), Epoch: -1 << 63, SignIns: 1 << 62, Begun: 1 << 62, At: 1 << 62, Session: make([]byte, 16), Enrollment: string(make([]byte, 36))}
	raw, err = e.SealCeremony(ctx, longest)
	require.NoError(t, err)
	require.Less(t, len(raw), 1024)
}

// No two challenges of a process were issued at one moment, whatever its clock does: of two a passkey could answer one.
func TestIssued(t *testing.T) {
	h := newHouse(t)
	e := engine.Of(h.Service)
	first := e.Issued()
	require.Equal(t, h.clock().UnixNano(), first)
	require.Equal(t, first+1, e.Issued(), "the clock stands still")
	h.wait(-time.Second / 2)
	require.Equal(t, first+2, e.Issued(), "it goes back a little")
	h.wait(time.Second)
	require.Equal(t, h.clock().UnixNano(), e.Issued())
	h.wait(-time.Hour)
	require.Equal(t, h.clock().UnixNano(), e.Issued(), "it goes back by more than a challenge may be ahead")
	h.wait(time.Hour)
	seen := map[int64]bool{}
	all := make([]int64, 200)
	atOnce(len(all), func(i int) error { all[i] = e.Issued(); return nil })
	for _, at := range all {
		require.False(t, seen[at])
		seen[at] = true
	}
}

// beforePasskeys is the store as a program sees it that does not know passkeys: in each record that has something of
// them there is a bit that it does not know.
type beforePasskeys struct{ storage.Store }

func (s beforePasskeys) LoadAccount(ctx context.Context, id string) (storage.Record, error) {
	r, err := s.Store.LoadAccount(ctx, id)
	if err != nil {
		return r, err
	}
	a, err := core.Decode(id, slices.Clone(r.Data))
	if err != nil || a.Handle == (storage.Handle{}) {
		return r, err
	}
	r.Data = withBit(r.Data, 40)
	return r, nil
}

// Passkeys come in two steps: first every node runs a program that knows them, and then the host has them made. A node
// that makes none yet keeps those of others, whatever it does to the account, and knows that they are a second factor. A
// node that does not know them meets a fault, saves nothing, and serves everybody else.
func TestRollingUpgradeToPasskeys(t *testing.T) {
	ctx := t.Context()
	shared := memory.New()
	second := houseOn(t, shared, withTokens(t))
	node := func(s storage.Store) *house {
		n := houseOn(t, s, withTokens(t), func(c *settings) { c.Keys, c.Now = second.keys, second.clock })
		n.keys = second.keys
		return n
	}
	first, old := node(shared), node(beforePasskeys{shared})
	ada, bob := second.enroll("ada"), second.enroll("bob")
	signsIn := func(o *owner, nodes ...*house) {
		t.Helper()
		for _, n := range nodes {
			second.wait(4 * totp.Period)
			at := *o
			at.h = n
			_, err := at.signIn(o.code())
			require.NoError(t, err)
		}
	}
	signsIn(ada, old, first, second)

	d := ada.withKey()
	keys := func() []core.Passkey { return second.account("ada").Passkeys }
	made := keys()
	require.NoError(t, first.Owner(ada.proof).RenameAuthenticator(ctx, ada.auth, "Tablet"))
	signsIn(ada, first, second, first)
	require.NoError(t, first.Operator("op").PasswordChanged(ctx, "ada", gatehouse.KeepTokens))
	require.NoError(t, first.Operator("op").Suspend(ctx, "ada"))
	require.NoError(t, first.Operator("op").Resume(ctx, "ada"))
	require.Equal(t, made, keys(), "it keeps them")
	require.NoError(t, d.captured(core.PasskeyAnswer)(second))
	oneWinner(t, func() []error {
		give := d.captured(core.PasskeyStepUp)
		return []error{give(second), give(first)}
	}())

	// The app goes. What is left is a second factor on every node that knows it.
	text, _ := ada.mint("projects:read")
	_, err := first.Owner(ada.fresh()).RemoveAuthenticator(ctx, ada.auth)
	require.ErrorIs(t, err, gatehouse.ErrStepUpRequired, "a code is not enough")
	proof, err := d.on(first).stepUp(ctx, ada.h.in(ada.proof))
	require.NoError(t, err)
	_, err = first.Owner(proof).RemoveAuthenticator(ctx, ada.auth)
	require.NoError(t, err)
	for _, n := range []*house{first, second} {
		n.good(text)
		ch, err := n.Challenge(ctx, "ada")
		require.NoError(t, err)
		require.Equal(t, gatehouse.StepNeeded, ch.Step)
		require.Equal(t, gatehouse.MethodState{Available: true}, ch.Passkey)
		require.Equal(t, gatehouse.MethodState{}, ch.TOTP)
		_, err = n.StepUp(ctx, "ada", "123456")
		require.ErrorIs(t, err, gatehouse.ErrDenied)
	}

	old.unchanged(func() {
		_, err := old.Challenge(ctx, "ada")
		require.ErrorIs(t, err, core.ErrFormat, "and no account without a second factor")
		require.False(t, isAnswer(err))
		_, err = old.StepUp(ctx, "ada", ada.codes[0].Reveal())
		require.ErrorIs(t, err, core.ErrFormat)
		require.Error(t, old.Operator("op").PasswordChanged(ctx, "ada", gatehouse.KeepTokens))
		_, err = old.Operator("op").Reset(ctx, "ada")
		require.Error(t, err)
	})
	signsIn(bob, old, first, old)

	// There is no way back: also without a passkey the account keeps its handle.
	proof, err = d.stepUp(ctx, gatehouse.Session{})
	require.NoError(t, err)
	_, err = first.Owner(proof).DisableTwoFactor(ctx)
	require.NoError(t, err)
	_, err = old.Challenge(ctx, "ada")
	require.ErrorIs(t, err, core.ErrFormat)
}

// What has looked at a passkey knows that two-factor is on, and the codes of a first passkey are the account's.
func TestFirstPasskeyOfAnOwner(t *testing.T) {
	ctx := t.Context()
	var seen recorder
	h := newHouse(t, observed(&seen))
	in := gatehouse.Session{Account: "ada", Secret: "browser", Proof: h.vouch("ada", "browser")}
	d := h.device("ada", "")
	enr, err := d.begin(ctx, in, engine.PasskeyRequest{})
	require.NoError(t, err)
	require.Len(t, enr.RecoveryCodes, 10)
	require.NotEmpty(t, enr.RecoverySetID)
	require.True(t, enr.Secret.IsZero() && enr.URI() == "", "there is no secret")
	pending := must(h.Account(ctx, "ada")).Pending
	require.Equal(t, event.MethodPasskey, pending.Kind)
	require.Empty(t, pending.Name)
	require.Equal(t, 10, pending.RecoveryCodes.Total)

	again, _, err := engine.BeginPasskey(ctx, h.Service, d.session(in), engine.PasskeyRequest{Resume: enr.ID})
	require.NoError(t, err)
	same := again.(gatehouse.Enrollment)
	require.Equal(t, enr.RecoveryCodes[3].Reveal(), same.RecoveryCodes[3].Reveal(), "it is shown again to its session")
	require.Equal(t, []any{enr.ID, enr.Expires, enr.RecoverySetID, 10}, []any{same.ID, same.Expires, same.RecoverySetID, len(same.RecoveryCodes)})
	elsewhere := gatehouse.Session{Account: "ada", Secret: "other", Proof: h.vouch("ada", "other")}
	for what, c := range map[string]struct {
		in   gatehouse.Session
		r    engine.PasskeyRequest
		want error
	}{
		"another session": {elsewhere, engine.PasskeyRequest{Resume: enr.ID}, gatehouse.ErrNotFound},
		"and a name":      {in, engine.PasskeyRequest{Resume: enr.ID, Name: "x"}, gatehouse.ErrInvalid},
		"a bad name":      {in, engine.PasskeyRequest{Name: " x"}, gatehouse.ErrInvalid},
		"another one":     {in, engine.PasskeyRequest{Resume: "x"}, gatehouse.ErrNotFound},
	} {
		_, _, err := engine.BeginPasskey(ctx, h.Service, d.session(c.in), c.r)
		require.ErrorIs(t, err, c.want, what)
	}
	_, err = h.Service.Owner(in).BeginEnrollment(ctx, gatehouse.EnrollmentRequest{Resume: enr.ID})
	require.ErrorIs(t, err, gatehouse.ErrNotFound, "it is no app")
	_, err = h.Service.Owner(in).ConfirmEnrollment(ctx, enr.ID, "123456")
	require.ErrorIs(t, err, gatehouse.ErrNotFound)
	require.NoError(t, h.Service.Owner(in).AcknowledgeRecoveryCodes(ctx, enr.RecoverySetID))

	in.Proof, err = d.finish(ctx, in)
	require.NoError(t, err)
	a := must(h.Account(ctx, "ada"))
	require.True(t, a.Protected)
	require.Equal(t, 10, a.RecoveryCodes.Left)
	require.Equal(t, gatehouse.Authenticator{
		ID: enr.ID, Name: "Passkey", Kind: event.MethodPasskey, PhishingResistant: true, UserVerified: true, Created: h.clock(), LastUsed: h.clock(),
	}, a.Authenticators[0])
	info, err := h.Service.CheckProof(ctx, in, 0)
	require.NoError(t, err)
	require.Equal(t, gatehouse.ProofInfo{
		AccountID: "ada", Method: "hwk", At: h.clock(), SecondFactor: true, PhishingResistant: true, UserVerified: true, AMR: []string{"hwk", "user", "mfa"}, AAL: 3,
	}, info)
	ch := must(h.Challenge(ctx, "ada"))
	require.Equal(t, []bool{true, false, true}, []bool{ch.Passkey.Available, ch.TOTP.Available, ch.RecoveryCode.Available})
	require.Equal(t, event.MethodPasskey, ch.Authenticators[0].Kind)
	_, err = h.Answer(ctx, ch.Token.Reveal(), enr.RecoveryCodes[0].Reveal())
	require.NoError(t, err)
	var added []event.Event
	for _, e := range seen.whole() {
		if e.Kind == event.AuthenticatorAdded {
			added = append(added, e)
		}
	}
	require.Len(t, added, 1)
	require.Equal(t, []string{"passkey", "Passkey"}, []string{string(added[0].Method), added[0].AuthenticatorName})

	// A synced one, and one that does not verify its user, are no more than AAL2.
	for _, c := range []struct{ eligible, verified bool }{{true, true}, {false, false}, {true, false}} {
		d := h.device("ada", fmt.Sprint("Key ", c))
		d.found.Eligible, d.found.BackedUp, d.found.UserVerified = c.eligible, c.eligible, c.verified
		in.Proof, err = d.add(ctx, in, engine.PasskeyRequest{})
		require.NoError(t, err)
		out, err := d.use(ctx, in, core.PasskeyStepUp, "")
		require.NoError(t, err)
		text, err := engine.Of(h.Service).Seal(ctx, engine.PurposeProof, out.Proof)
		require.NoError(t, err)
		info, err := h.Service.CheckProof(ctx, gatehouse.Session{Account: "ada", Secret: "browser", Proof: gatehouse.ParseProof(text)}, 0)
		require.NoError(t, err)
		require.Equal(t, 2, info.AAL)
		require.Equal(t, []bool{true, c.verified}, []bool{info.PhishingResistant, info.UserVerified})
		require.Equal(t, []string{map[bool]string{true: "swk", false: "hwk"}[c.eligible], "user", "mfa"}, info.AMR)
		shown := must(h.Account(ctx, "ada")).Authenticators
		last := shown[len(shown)-1]
		require.Equal(t, []bool{c.eligible, c.eligible, c.verified}, []bool{last.Synced, last.BackedUp, last.UserVerified})
	}
}

// Ten passkeys of the usual size do not make a record large, and ten of the greatest do not make it too large.
func TestRecordSizeWithPasskeys(t *testing.T) {
	h := newHouse(t)
	o := h.enroll("u")
	in := h.in(o.fresh())
	one := len(h.record("u").Data)
	fill := func(credential, key int) int {
		for i := range core.MaxPasskeys {
			d := h.device("u", fmt.Sprintf("%064d", i))
			d.found.Credential = append(make([]byte, credential-1), byte(i))
			d.found.PublicKey = make([]byte, key)
			var err error
			in.Proof, err = d.add(t.Context(), in, engine.PasskeyRequest{})
			require.NoError(t, err)
			if i == 0 { // the first one was added with a code, which is not enough for the next
				in.Proof, err = d.stepUp(t.Context(), in)
				require.NoError(t, err)
			}
		}
		return len(h.record("u").Data) - one
	}
	usual := fill(32, 77) // of a phone, with P-256
	require.Less(t, usual, 3584)
	for _, auth := range must(h.Account(t.Context(), "u")).Authenticators[1:] {
		var err error
		in.Proof, err = h.Service.Owner(in).RemoveAuthenticator(t.Context(), auth.ID)
		require.NoError(t, err)
	}
	most := fill(core.MaxCredential, core.MaxPublicKey)
	require.Less(t, most, 24<<10)
	t.Logf("ten passkeys take %d bytes, and %d at the most", usual, most)
}
