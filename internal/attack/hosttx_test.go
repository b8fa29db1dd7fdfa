package attack_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/hosttx"
	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/internal/engine"
	"github.com/gatehouse-go/gatehouse/posture"
	"github.com/gatehouse-go/gatehouse/recovery"
	"github.com/gatehouse-go/gatehouse/storage"
	"github.com/gatehouse-go/gatehouse/storage/memory"
	"github.com/gatehouse-go/gatehouse/tokens"
	"github.com/gatehouse-go/gatehouse/totp"
)

// hostTx stands for a transaction of the host's. What it saves is seen at once; internal/integration/hosttx has real
// ones.
type hostTx struct {
	storage.Store
	calls []string
	wrong func(call string, ctx context.Context) error // nil: nothing goes wrong
}

func (tx *hostTx) do(call string, ctx context.Context) error {
	tx.calls = append(tx.calls, call)
	if tx.wrong == nil {
		return nil
	}
	return tx.wrong(call, ctx)
}

func (tx *hostTx) LockAccount(ctx context.Context, id string) (storage.Record, error) {
	if err := tx.do("lock", ctx); err != nil {
		return storage.Record{}, err
	}
	return tx.Store.LoadAccount(ctx, id)
}

func (tx *hostTx) SaveAccount(ctx context.Context, r storage.Record, prev int64) error {
	if err := tx.do("save", ctx); err != nil {
		return err
	}
	return tx.Store.SaveAccount(ctx, r, prev)
}

func (tx *hostTx) DeleteAccount(ctx context.Context, id string) error {
	if err := tx.do("delete", ctx); err != nil {
		return err
	}
	return tx.Store.DeleteAccount(ctx, id)
}

// operations are what an operator does, in a transaction or outside of one.
type operations interface {
	PasswordChanged(ctx context.Context, account string, tokens gatehouse.TokenChoice) error
	DeleteAccount(ctx context.Context, account string) ([]event.Notice, error)
	Import(ctx context.Context, account string, in gatehouse.Import) (gatehouse.ImportResult, error)
	Reset(ctx context.Context, account string) (recovery.Code, error)
}

var (
	_ operations = (*hosttx.Tx)(nil)
	_ operations = gatehouse.Operator{}
)

// eachOperation makes all calls in turn and returns their errors.
func eachOperation(ctx context.Context, on operations, account string) []error {
	_, importErr := on.Import(ctx, account, importing(gatehouse.ImportAuthenticator{Secret: totp.GenerateSecret()}))
	_, resetErr := on.Reset(ctx, account)
	return []error{on.PasswordChanged(ctx, account, gatehouse.KeepTokens), importErr, resetErr, deleted(on.DeleteAccount(ctx, account))}
}

// closed is a store that nobody may use now.
type closed struct {
	storage.Store
	t    testing.TB
	shut *bool
}

func (c closed) LoadAccount(ctx context.Context, id string) (storage.Record, error) {
	require.False(c.t, *c.shut, "LoadAccount outside of the transaction")
	return c.Store.LoadAccount(ctx, id)
}

func (c closed) SaveAccount(ctx context.Context, r storage.Record, prev int64) error {
	require.False(c.t, *c.shut, "SaveAccount outside of the transaction")
	return c.Store.SaveAccount(ctx, r, prev)
}

func (c closed) LiveTokens(ctx context.Context, account string, live storage.Live, after string, limit int) (storage.Page[storage.TokenRecord], error) {
	require.False(c.t, *c.shut, "LiveTokens outside of the transaction")
	return c.Store.LiveTokens(ctx, account, live, after, limit)
}

// TestHostTx makes every change within a transaction and outside of one: the accounts are the same afterwards, and the
// same is told. Within it nothing else is read, the host's own facts included, and nobody is told anything before
// Committed. Row A6.
func TestHostTx(t *testing.T) {
	ctx := t.Context()
	type outcome struct {
		events  []event.Event
		history []posture.Snapshot
		stored  []string
	}
	play := func(t *testing.T, within bool) (o outcome) {
		events, shut, asked := &recorder{}, false, false
		store := memory.New()
		facts := &hostFacts{do: func() {
			require.False(t, shut, "the host is asked within its transaction")
			asked = true
		}}
		h := houseOn(t, closed{store, t, &shut}, observed(events), judged(t, policyOf(t, posture.ModelConfig{}), facts),
			withTokens(t, func(p *tokens.Policy) { p.SecondFactorOnly = true }))
		bare := h.bare("bare")
		bare.mint("logs:read") // which needs a second factor's proof once there is one
		h.enroll("gone")
		h.enroll("lost")
		events.whole()
		asked = false

		by, tx := h.Service.Operator("op").Because("moved"), &hostTx{Store: store}
		var on operations = by
		var committed func(context.Context)
		if within {
			shut = true
			w := hosttx.Within(by, tx)
			on, committed = w, w.Committed
		}
		require.NoError(t, on.PasswordChanged(ctx, "new", gatehouse.RevokeTokens))
		require.NoError(t, on.PasswordChanged(ctx, "new", gatehouse.KeepTokens))
		in := importing(gatehouse.ImportAuthenticator{Secret: totp.GenerateSecret(), Name: "phone"})
		in.RecoveryCodes = inPlain("one-or-another", "two-or-another")
		result, err := on.Import(ctx, "bare", in)
		require.NoError(t, err)
		require.Equal(t, outcomes(importBrought), result.Authenticators)
		code, err := on.Reset(ctx, "lost")
		require.NoError(t, err)
		_, err = on.Reset(ctx, "new")
		require.ErrorIs(t, err, gatehouse.ErrPrecondition, "which ends nothing")
		require.ErrorIs(t, on.PasswordChanged(ctx, "new", 0), gatehouse.ErrInvalid)
		require.ErrorIs(t, deleted(on.DeleteAccount(ctx, "")), gatehouse.ErrInvalid)
		require.NoError(t, deleted(on.DeleteAccount(ctx, "gone")))
		if within {
			require.Equal(t, []string{"lock", "save", "lock", "save", "lock", "lock", "save", "lock", "lock", "save", "lock", "lock", "delete", "lock", "save"}, tx.calls)
			require.Empty(t, events.whole(), "before the commit")
			require.False(t, asked)
			shut = false
			hungUp, cancel := context.WithCancel(ctx)
			cancel()
			committed(hungUp)
			committed(hungUp)
			for _, err := range eachOperation(ctx, on, "lost") {
				require.ErrorContains(t, err, "committed")
			}
		}
		require.True(t, asked, "for the posture")
		o.events = events.whole()
		for i := range o.events {
			o.events[i].AuthenticatorID, o.events[i].TokenID = "", ""
		}
		o.history, err = h.History(ctx, "bare")
		require.NoError(t, err)
		for _, r := range h.records() {
			a, err := core.Decode(r.ID, r.Data)
			require.NoError(t, err)
			var kinds string
			for _, e := range a.Activity {
				kinds += " " + string(e.Kind)
			}
			o.stored = append(o.stored, r.ID+kinds)
		}

		_, err = h.RedeemOperatorCode(ctx, (&owner{h: h, id: "lost"}).challenge(), code.Reveal())
		require.NoError(t, err)
		return o
	}
	without := play(t, false)
	var told []event.Kind
	for _, e := range without.events {
		told = append(told, e.Kind)
	}
	require.Equal(t, []event.Kind{event.PasswordChanged, event.PasswordChanged, event.AccountImported, event.PostureChanged,
		event.TokenNeedsSecondFactor, event.AccountReset, event.OperatorCodeMade, event.PostureChanged, event.AccountDeleted}, told)
	require.Equal(t, without, play(t, true))
}

// TestHostTxConflict: a conflict at any call of the transaction is told at once, and ends the value: no call reaches the
// transaction any more, and nothing that it has changed is told.
func TestHostTxConflict(t *testing.T) {
	ctx := t.Context()
	fault := errors.New("connection lost")
	for _, c := range []struct {
		at   string
		does int // of eachOperation
	}{{"lock", 0}, {"save", 0}, {"lock", 1}, {"save", 1}, {"lock", 2}, {"save", 2}, {"delete", 3}, {"lock", 3}, {"save", 3}} {
		for _, err := range []error{storage.ErrConflict, fault, storage.ErrInvalid, context.Canceled} {
			events := &recorder{}
			h := newHouse(t, observed(events))
			h.enroll("ada")
			h.bare("new")
			events.whole()
			tx := &hostTx{Store: h.store}
			w := hosttx.Within(h.Service.Operator("op"), tx)
			require.NoError(t, w.PasswordChanged(ctx, "other", gatehouse.KeepTokens))

			tx.calls = nil
			tx.wrong = func(call string, _ context.Context) error {
				if call == c.at {
					return err
				}
				return nil
			}
			account := []string{"ada", "new", "ada", "ada"}[c.does]
			got := []func() error{
				func() error { return w.PasswordChanged(ctx, account, gatehouse.KeepTokens) },
				func() error {
					_, err := w.Import(ctx, account, importing(gatehouse.ImportAuthenticator{Secret: totp.GenerateSecret()}))
					return err
				},
				func() error { _, err := w.Reset(ctx, account); return err },
				func() error { return deleted(w.DeleteAccount(ctx, account)) },
			}[c.does]()
			want := err
			if err == storage.ErrConflict {
				want = hosttx.ErrRetryTransaction
			}
			require.ErrorIs(t, got, want)
			require.Equal(t, err == storage.ErrConflict, errors.Is(got, hosttx.ErrRetryTransaction))

			made := len(tx.calls)
			require.Equal(t, c.at, tx.calls[made-1], "it is not tried again")
			tx.wrong = nil
			for _, got := range append(eachOperation(ctx, w, account), w.PasswordChanged(ctx, "", 0)) {
				require.ErrorIs(t, got, want)
				require.ErrorContains(t, got, "roll the transaction back")
			}
			require.Len(t, tx.calls, made)
			w.Committed(ctx)
			require.Empty(t, events.whole())
			require.ErrorIs(t, w.PasswordChanged(ctx, account, gatehouse.KeepTokens), want)
		}
	}
}

// TestHostTxTurn: who holds the account's turn in this process may wait for what the transaction has locked, so the
// transaction waits for nobody.
func TestHostTxTurn(t *testing.T) {
	ctx := t.Context()
	h := newHouse(t)
	held, free, done := make(chan struct{}), make(chan struct{}), make(chan error)
	go func() {
		done <- engine.Of(h.Service).Change(ctx, "ada", engine.Transition{Step: func(a core.Account, _ core.Env) (core.Account, error) {
			close(held)
			<-free
			return a, nil
		}})
	}()
	<-held
	w := hosttx.Within(h.Service.Operator("op"), &hostTx{Store: h.store})
	require.NoError(t, w.PasswordChanged(ctx, "ada", gatehouse.KeepTokens))
	require.NoError(t, deleted(w.DeleteAccount(ctx, "ada")))
	close(free)
	require.NoError(t, <-done)
}

// TestHostTxContext: nothing counts before the host's commit, so a call ends with its caller's context, also after
// Argon2id, and between the steps of a deletion.
func TestHostTxContext(t *testing.T) {
	for what, c := range map[string]struct {
		do    func(ctx context.Context, w *hosttx.Tx) error
		calls []string
	}{
		"a reset":    {func(ctx context.Context, w *hosttx.Tx) error { _, err := w.Reset(ctx, "ada"); return err }, []string{"lock", "lock"}},
		"a deletion": {func(ctx context.Context, w *hosttx.Tx) error { return deleted(w.DeleteAccount(ctx, "ada")) }, []string{"lock", "delete", "lock"}},
	} {
		h := newHouse(t)
		h.enroll("ada")
		ctx, cancel := context.WithCancel(t.Context())
		tx := &hostTx{Store: h.store}
		tx.wrong = func(_ string, ctx context.Context) error {
			if len(tx.calls) == len(c.calls) {
				cancel()
			}
			return ctx.Err()
		}
		require.ErrorIs(t, c.do(ctx, hosttx.Within(h.Service.Operator("op"), tx)), context.Canceled, what)
		require.Equal(t, c.calls, tx.calls, what)
	}
}

// TestHostTxFirstUse: a service that would have missed the change cannot be made after it.
func TestHostTxFirstUse(t *testing.T) {
	h := newHouse(t)
	hosttx.Within(h.Service.Operator("op"), &hostTx{Store: h.store})
	_, err := tokens.New(h.Service, tokenPolicy(t))
	require.ErrorIs(t, err, gatehouse.ErrInvalid)
}
