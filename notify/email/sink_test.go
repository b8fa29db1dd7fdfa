package email_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/notify"
	"github.com/gatehouse-go/gatehouse/notify/email"
)

// mailer is a mail server, as far as a host sees of it: what each address answers, and who was written to.
type mailer struct {
	answer map[string]error
	hangs  string
	panics string
	left   map[string]bool // addresses that the owner no longer has
	to     []string
	log    bytes.Buffer
}

func (m *mailer) sink(t *testing.T, addresses ...string) notify.Sink {
	t.Helper()
	sink, err := email.New(email.Config{
		Name: "Acme", Page: "https://acme.test/settings/security", Faults: slog.New(slog.NewTextHandler(&m.log, nil)),
		Recipient: func(context.Context, string) (email.Recipient, error) {
			return email.Recipient{Addresses: slices.DeleteFunc(slices.Clone(addresses), func(a string) bool { return m.left[a] })}, nil
		},
		Send: func(ctx context.Context, mail email.Message) error {
			m.to = append(m.to, mail.To)
			if mail.To == m.hangs {
				<-ctx.Done()
				return ctx.Err()
			}
			if mail.To == m.panics {
				panic("a mail server that does not answer")
			}
			return m.answer[mail.To]
		},
	})
	require.NoError(t, err)
	return sink
}

// wrote returns who was written to since it was asked last.
func (m *mailer) wrote() []string {
	defer func() { m.to = nil }()
	return m.to
}

// Each address gets a mail of its own, so that one that is refused or fails holds no other one back, and none that has
// taken the notice gets it again.
func TestAddresses(t *testing.T) {
	busy, gone := errors.New("busy"), fmt.Errorf("550 no such user: %w", email.ErrRefused)
	all := []string{"a@acme.test", "b@acme.test", "c@acme.test"}
	m := &mailer{answer: map[string]error{"a@acme.test": gone, "b@acme.test": busy}}
	sink := m.sink(t, all...)
	require.ErrorIs(t, sink.Deliver(t.Context(), used), busy)
	require.Equal(t, all, m.wrote())
	require.ErrorIs(t, sink.Deliver(t.Context(), used), busy)
	require.Equal(t, []string{"b@acme.test"}, m.wrote(), "the others are done")
	m.answer["b@acme.test"] = nil
	require.NoError(t, sink.Deliver(t.Context(), used))
	require.Equal(t, []string{"b@acme.test"}, m.wrote())
	require.Equal(t, 1, bytes.Count(m.log.Bytes(), []byte("level=WARN")))
	require.Contains(t, m.log.String(), "account=user-42 notice="+used.ID)

	next := used
	next.ID = "6a5c7c55-5a0e-4b86-8f5c-7d1a3e7a9c10"
	require.NoError(t, sink.Deliver(t.Context(), next))
	require.Equal(t, all, m.wrote(), "of another notice all are told")
	for _, a := range all {
		m.answer[a] = gone
	}
	for range 2 {
		require.ErrorIs(t, sink.Deliver(t.Context(), used), email.ErrRefused, "nobody was told, so it waits")
		require.Equal(t, all, m.wrote())
	}
	m.answer["c@acme.test"] = nil
	require.NoError(t, sink.Deliver(t.Context(), used))
}

// Nobody was told where one address was refused at a try before and the other has gone since: the notice waits.
func TestNobodyTold(t *testing.T) {
	busy, gone := errors.New("busy"), fmt.Errorf("550 no such user: %w", email.ErrRefused)
	m := &mailer{answer: map[string]error{"a@acme.test": gone, "b@acme.test": busy}, left: map[string]bool{}}
	sink := m.sink(t, "a@acme.test", "b@acme.test")
	require.ErrorIs(t, sink.Deliver(t.Context(), used), busy)
	m.left["b@acme.test"] = true
	require.ErrorIs(t, sink.Deliver(t.Context(), used), email.ErrRefused)
	m.answer["a@acme.test"] = nil
	require.NoError(t, sink.Deliver(t.Context(), used), "it is tried again, though it was refused")
	require.Equal(t, []string{"a@acme.test", "b@acme.test", "a@acme.test"}, m.wrote())
}

// A panic for one address is an error of that one: the others get their mail, and once.
func TestAddressPanics(t *testing.T) {
	m := &mailer{panics: "a@acme.test"}
	sink := m.sink(t, "a@acme.test", "b@acme.test")
	require.ErrorContains(t, sink.Deliver(t.Context(), used), "panicked")
	require.Equal(t, []string{"a@acme.test", "b@acme.test"}, m.wrote())
	m.panics = ""
	require.NoError(t, sink.Deliver(t.Context(), used))
	require.Equal(t, []string{"a@acme.test"}, m.wrote())
}

// An address that hangs has a part of the time, and no more.
func TestAddressHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &mailer{hangs: "a@acme.test"}
		sink := m.sink(t, "a@acme.test", "b@acme.test")
		begun := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		require.ErrorIs(t, sink.Deliver(ctx, used), context.DeadlineExceeded)
		require.Equal(t, []string{"a@acme.test", "b@acme.test"}, m.wrote())
		require.Equal(t, 30*time.Second, time.Since(begun))
	})
}

// What is remembered is bounded.
func TestManyNotices(t *testing.T) {
	m := &mailer{answer: map[string]error{"a@acme.test": errors.New("busy")}}
	sink := m.sink(t, "a@acme.test", "b@acme.test")
	n := used
	for i := range 5000 {
		n.ID = fmt.Sprint(i)
		require.Error(t, sink.Deliver(t.Context(), n))
	}
	require.LessOrEqual(t, email.Begun(sink), 4096)
	m.answer = nil
	require.NoError(t, sink.Deliver(t.Context(), n))
	require.LessOrEqual(t, email.Begun(sink), 4095, "what was delivered is forgotten")
}
