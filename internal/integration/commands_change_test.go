package integration_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"slices"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/argon2"
	"pgregory.net/rapid"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/recovery"
	"github.com/gatehouse-go/gatehouse/totp"
)

// codesTold notes the codes that an owner was shown.
func (m *machine) codesTold(account string, set *codes, id string, shown recovery.Codes) {
	set.id = id
	for i, c := range shown {
		set.list[i].text, _ = canonical(c.Reveal())
		m.codes = append(m.codes, held[string]{account, set.list[i].text})
	}
}

// changing is a call with a proof that returns nothing but an error.
func (m *machine) changing(t *rapid.T, p *process, id, name string, h held[proof], staging bool,
	rule func(*account, int64) answer, run func(context.Context, *process) error) {
	m.owning(t, p, id, name, h, staging, rule, func(ctx context.Context, s *process) (gatehouse.Proof, error) {
		return gatehouse.Proof{}, run(ctx, s)
	})
}

func (m *machine) Cancel(t *rapid.T) {
	p, id := m.process(t), m.likely(t, isPending)
	if m.model[id].pending == nil {
		return
	}
	enrollment := m.model[id].pending.app.id
	h, in := m.proof(t, p, id)
	if oneIn(t, 6, "an old enrollment") && len(m.apps) > 0 {
		enrollment = m.apps[0].what.id
	}
	m.changing(t, p, id, "CancelEnrollment", h, true, func(a *account, now int64) answer {
		return a.cancel(h.what, in, enrollment, now)
	}, func(ctx context.Context, s *process) error {
		return m.owner(s, h, in).CancelEnrollment(ctx, enrollment)
	})
}

func (m *machine) Acknowledge(t *rapid.T) {
	p, id := m.process(t), m.account(t)
	h, in := m.proof(t, p, id)
	set, a := "unknown", m.model[id]
	if a.codes != nil {
		set = a.codes.id
	}
	if a.pending != nil && a.pending.codes != nil {
		set = a.pending.codes.id
	}
	m.changing(t, p, id, "AcknowledgeRecoveryCodes", h, false, func(a *account, now int64) answer {
		return a.acknowledge(h.what, in, set, now)
	}, func(ctx context.Context, s *process) error {
		return m.owner(s, h, in).AcknowledgeRecoveryCodes(ctx, set)
	})
}

func (m *machine) Regenerate(t *rapid.T) {
	p, id := m.process(t), m.likely(t, isProtected)
	h, in := m.proof(t, p, id)
	var got gatehouse.RecoveryCodes
	m.do(t, p, call{
		name: "RegenerateRecoveryCodes", account: whose(h.what.account, id),
		rule: func(a *account, now int64) answer {
			if h.what.account == "" {
				return stepUp
			}
			return a.regenerate(h.what, in, now)
		},
		run: func(ctx context.Context, s *process) (err error) {
			got, err = m.owner(s, h, in).RegenerateRecoveryCodes(ctx)
			return nothing(got, err)
		},
		told: func(a *account, ok answer) {
			require.Len(t, got.Codes, 10)
			m.codesTold(a.id, a.codes, got.SetID, got.Codes)
			m.hold(t, p, a, got.Proof, ok)
		},
	})
}

// authenticator draws the ID of one of the account's, or of another.
func (m *machine) authenticator(t *rapid.T, id string) string {
	if k, ok := recent(t, m.model[id].passkeys, "passkey"); ok && rapid.Bool().Draw(t, "a passkey") {
		return k.id
	}
	a, ok := recent(t, m.model[id].apps, "authenticator")
	if ok && !oneIn(t, 8, "another's") {
		return a.id
	}
	if h, ok := recent(t, m.apps, "authenticator"); ok {
		return h.what.id
	}
	return "unknown"
}

func (m *machine) Rename(t *rapid.T) {
	p, id := m.process(t), m.likely(t, isProtected)
	h, in := m.proof(t, p, id)
	auth, name := m.authenticator(t, id), rapid.SampledFrom([]string{"Phone", "Tablet", "Ключ"}).Draw(t, "name")
	m.changing(t, p, id, "RenameAuthenticator", h, false, func(a *account, now int64) answer {
		return a.rename(h.what, in, auth, name, now)
	}, func(ctx context.Context, s *process) error {
		return m.owner(s, h, in).RenameAuthenticator(ctx, auth, name)
	})
}

func (m *machine) Remove(t *rapid.T) {
	p, id := m.process(t), m.likely(t, hasSeveral)
	h, in := m.proof(t, p, id)
	auth := m.authenticator(t, id)
	m.owning(t, p, id, "RemoveAuthenticator", h, false, func(a *account, now int64) answer {
		return a.remove(h.what, in, auth, now)
	}, func(ctx context.Context, s *process) (gatehouse.Proof, error) {
		return m.owner(s, h, in).RemoveAuthenticator(ctx, auth)
	})
}

func (m *machine) Disable(t *rapid.T) {
	p, id := m.process(t), m.likely(t, isProtected)
	h, in := m.proof(t, p, id)
	m.owning(t, p, id, "DisableTwoFactor", h, false, func(a *account, now int64) answer {
		return a.disable(h.what, in, now)
	}, func(ctx context.Context, s *process) (gatehouse.Proof, error) {
		return m.owner(s, h, in).DisableTwoFactor(ctx)
	})
}

func (m *machine) Unlock(t *rapid.T) {
	p, method := m.process(t), m.method(t)
	id := m.likely(t, func(a *account) bool { _, locked := a.lock(method, m.at(p)); return locked })
	h, in := m.proof(t, p, id)
	m.changing(t, p, id, "Unlock", h, false, func(a *account, now int64) answer {
		return a.unlock(h.what, in, method, now)
	}, func(ctx context.Context, s *process) error { return m.owner(s, h, in).Unlock(ctx, method) })
}

func (m *machine) method(t *rapid.T) event.Method {
	return rapid.SampledFrom([]event.Method{event.MethodTOTP, event.MethodRecoveryCode}).Draw(t, "method")
}

func operator(s *process) gatehouse.Operator {
	return s.Operator("op-7").Because("on the phone")
}

// Reset is an operator's.
func (m *machine) Reset(t *rapid.T) {
	p, id := m.process(t), m.likely(t, isProtected)
	var got recovery.Code
	m.do(t, p, call{
		name: "Reset", account: id,
		rule: func(a *account, now int64) answer { return a.operatorReset(now) },
		run: func(ctx context.Context, s *process) (err error) {
			got, err = operator(s).Reset(ctx, id)
			return nothing(got, err)
		},
		told: func(a *account, _ answer) {
			a.reset.code.text, _ = canonical(got.Reveal())
			m.codes = append(m.codes, held[string]{id, a.reset.code.text})
		},
	})
}

// Operator does what an operator can do without an answer.
func (m *machine) Operator(t *rapid.T) {
	p, id := m.process(t), m.account(t)
	if rapid.Bool().Draw(t, "amid an enrollment") {
		id = m.likely(t, isPending)
	}
	method := m.method(t)
	does := rapid.SampledFrom([]string{"unlock", "change password", "change password and revoke", "suspend", "resume"}).Draw(t, "does")
	if m.model[id].suspended != 0 && rapid.Bool().Draw(t, "resume") {
		does = "resume" // or little else would happen to the account
	}
	m.do(t, p, call{
		name: "Operator: " + does, account: id,
		rule: func(a *account, now int64) answer {
			switch does {
			case "unlock":
				return a.unlockBy(method, now)
			case "suspend":
				return a.suspend(now)
			case "resume":
				return a.resume(now)
			}
			return a.passwordChanged(does == "change password and revoke", now)
		},
		run: func(ctx context.Context, s *process) error {
			o := operator(s)
			switch does {
			case "unlock":
				return o.Unlock(ctx, id, method)
			case "suspend":
				return o.Suspend(ctx, id)
			case "resume":
				return o.Resume(ctx, id)
			case "change password":
				return o.PasswordChanged(ctx, id, gatehouse.KeepTokens)
			}
			return o.PasswordChanged(ctx, id, gatehouse.RevokeTokens)
		},
	})
}

func (m *machine) Delete(t *rapid.T) {
	p, id := m.process(t), m.account(t)
	if !oneIn(t, 4, "really") {
		return
	}
	var left []event.Notice
	var want []notice
	m.do(t, p, call{
		name: "DeleteAccount", account: id,
		rule: func(a *account, now int64) answer { want = a.outbox; return a.delete(now) },
		half: (*account).forget,
		run: func(ctx context.Context, s *process) (err error) {
			left, err = operator(s).DeleteAccount(ctx, id)
			return err
		},
		happened: func(answer) { m.deleteTokens(t, id) },
		told:     func(*account, answer) { untold(t, want, left) },
	})
}

// Import brings what another system had to an account that has nothing, as a rule; or to any; or the same as last time.
func (m *machine) Import(t *rapid.T) {
	id := m.likely(t, isOff)
	if oneIn(t, 3, "again") {
		id = m.likely(t, func(a *account) bool { return a.imported == core.ImportOpen })
	}
	m.importTo(t, m.process(t), id)
}

func (m *machine) importTo(t *rapid.T, p *process, id string) {
	o := offer{close: rapid.Bool().Draw(t, "close")}
	in := gatehouse.Import{Close: o.close}
	if o.close {
		o.life = rapid.SampledFrom([]int64{hour, day, 90 * day}).Draw(t, "life")
		in.CodeLife = time.Duration(o.life) * time.Second
	}
	for range rapid.SampledFrom([]int{1, 1, 1, 0, 2}).Draw(t, "authenticators") {
		m.offerApp(t, p, id, &in, &o)
	}
	for range rapid.IntRange(0, 3).Draw(t, "codes") {
		m.offerCode(t, id, &in, &o)
	}
	var got gatehouse.ImportResult
	var want brought
	m.do(t, p, call{
		name: "Import", account: id,
		rule: func(a *account, now int64) (ok answer) {
			ok, want = a.importFrom(o, now)
			return ok
		},
		run: func(ctx context.Context, s *process) (err error) {
			got, err = operator(s).Import(ctx, id, in)
			return nothing(got, err)
		},
		told: func(a *account, _ answer) {
			require.Equal(t, want.apps, got.Authenticators)
			require.Equal(t, want.codes, got.RecoveryCodes)
			require.Equal(t, want.closed, got.Closed)
			require.Equal(t, want.code, !got.Code.IsZero())
			if want.code {
				require.Equal(t, a.reset.expires, got.CodeExpires.Unix())
				a.reset.code.text, _ = canonical(got.Code.Reveal())
				m.codes = append(m.codes, held[string]{id, a.reset.code.text})
			}
		},
	})
	for _, x := range m.model[id].apps {
		if !slices.ContainsFunc(m.apps, func(h held[app]) bool { return h.what.id == x.id }) {
			m.apps = append(m.apps, held[app]{id, x})
		}
	}
}

// offerApp draws an authenticator: a new one, one whose secret is too short, or one that the account may have.
func (m *machine) offerApp(t *rapid.T, p *process, id string, in *gatehouse.Import, o *offer) {
	x := gatehouse.ImportAuthenticator{Secret: totp.GenerateSecret(), Digits: rapid.SampledFrom([]int{6, 6, 8}).Draw(t, "digits"), Name: "Old phone"}
	switch rapid.IntRange(0, 5).Draw(t, "which") {
	case 3:
		secret, _, err := totp.ParseImported(totp.GenerateSecret().Reveal()[:16])
		require.NoError(t, err)
		x.Secret = secret
	case 4:
		if a, ok := recent(t, m.model[id].apps, "authenticator"); ok {
			secret, _, err := totp.ParseImported(a.key.secret)
			require.NoError(t, err)
			x.Secret = secret
		}
	case 5:
		x.Secret = totp.Secret{}
	}
	for _, before := range in.Authenticators {
		if before.Secret.Reveal() == x.Secret.Reveal() {
			return // it would be a duplicate
		}
	}
	last := m.at(p)/30 + side
	if rapid.Bool().Draw(t, "last step") {
		last = m.at(p)/30 + rapid.Int64Range(-5, 2).Draw(t, "step")
		x.LastStep = last
	}
	in.Authenticators = append(in.Authenticators, x)
	o.apps = append(o.apps, app{
		name: x.Name, sealedBy: p.keys.Primary(), last: last, key: key{secret: x.Secret.Reveal(), digits: x.Digits, weak: x.Secret.Weak()},
	})
}

// offerCode draws a code that nobody has had before.
func (m *machine) offerCode(t *rapid.T, id string, in *gatehouse.Import, o *offer) {
	n := len(m.codes)
	c, six := code{text: fmt.Sprintf("foreign code %d", n)}, false
	foreign := recovery.ForeignHash(foreignHash(c.text), 0)
	switch rapid.IntRange(0, 5).Draw(t, "kind") {
	case 2:
		c.text, c.plain = fmt.Sprintf("plaincode%d", n), true
		foreign = recovery.ForeignCode(fmt.Sprintf("Plain-Code %d", n))
	case 3:
		c.text, c.eight = fmt.Sprintf("%08d", 20_000_000+n), true
		foreign = recovery.ForeignHash(foreignHash(c.text), 8)
	case 4:
		c.text, c.eight, c.plain = fmt.Sprintf("%08d", 30_000_000+n), true, true
		foreign = recovery.ForeignCode(c.text)
	case 5:
		six = true
		foreign = recovery.ForeignCode("123456")
	}
	if six && slices.Contains(o.six, true) {
		return // it would be the same again
	}
	if !six {
		m.codes = append(m.codes, held[string]{id, c.text})
	}
	in.RecoveryCodes = append(in.RecoveryCodes, foreign)
	o.codes, o.six = append(o.codes, c), append(o.six, six)
}

// foreignHash is another system's Argon2id, as cheap as it gets.
func foreignHash(text string) string {
	salt := []byte("salt of " + text)
	unpadded := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=19$m=8,t=1,p=1$%s$%s",
		unpadded.EncodeToString(salt), unpadded.EncodeToString(argon2.IDKey([]byte(text), salt, 1, 8, 1, 32)))
}

// Reseal moves all secrets to a process's primary key, while another process goes on.
func (m *machine) Reseal(t *rapid.T) {
	p := m.process(t)
	w := m.way(t, p)
	alone := true // so far
	if w.meanwhile != nil {
		meanwhile := w.meanwhile
		w.meanwhile = func() { meanwhile(); alone = false }
	}
	// An account is moved, unless there was a fault or another process has sealed under another key since
	// the page was read.
	moved := func(id string, must bool) {
		a := m.stored(t, id, m.snapshot(t)[id])
		after := m.model[id].clone()
		after.reseal(p.keys.Primary())
		saved := after.clone()
		saved.saved(m.at(p))
		switch stored := m.inModel(t, a).shape(); {
		case saved.shape().equal(stored):
			m.model[id] = saved
		case must || after.shape().equal(stored): // nothing to move
			m.model[id] = after
		}
		m.checkModel(t, a)
	}
	err := w.run(p, func(ctx context.Context) error {
		r, err := operator(p).Reseal(ctx, "", func(r gatehouse.Progress) { moved(r.Cursor, alone) })
		require.Zero(t, r.Failed)
		return err
	})
	t.Logf("%s: Reseal at %d: %v", p.name, m.at(p), err)
	if err != nil {
		require.True(t, w.explains(err), "a fault out of nowhere: %v", err)
	}
	for _, id := range ids {
		moved(id, err == nil && alone)
	}
}
