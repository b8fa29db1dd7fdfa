package otelgatehouse_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/codes"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/internal/engine"
	"github.com/gatehouse-go/gatehouse/otelgatehouse"
	"github.com/gatehouse-go/gatehouse/posture"
	"github.com/gatehouse-go/gatehouse/storage"
)

// Every error goes out as its code, whatever its text says, and only faults are errors of a span.
func TestErrorCodes(t *testing.T) {
	h := newHouse(t)
	call := func(err error) {
		ctx := h.ctx()
		defer engine.Of(h.Service.Service).Begin(&ctx, "gatehouse.Service.Account").End(&err)
	}
	for _, c := range []struct {
		err   error
		code  string
		fault bool
	}{
		{gatehouse.ErrDenied, "denied", false},
		{&gatehouse.DeniedError{}, "denied", false},
		{gatehouse.ErrStepUpRequired, "step_up_required", false},
		{&posture.GateError{Decision: posture.Decision{Action: canary}}, "gate_closed", false},
		{gatehouse.ErrInvalid, "invalid", false},
		{storage.ErrInvalid, "invalid", false},
		{gatehouse.ErrNotFound, "not_found", false},
		{storage.ErrNotFound, "not_found", false},
		{gatehouse.ErrPrecondition, "precondition", false},
		{storage.ErrConflict, "conflict", false},
		{engine.ErrRetryTransaction, "retry_transaction", false},
		{context.Canceled, "canceled", false},
		{context.DeadlineExceeded, "timeout", true},
		{gatehouse.ErrBusy, "busy", true},
		{engine.ErrUnsure, "unsure", true},
		{engine.ErrPanic, "panic", true},
		{core.ErrFormat, "record_unreadable", true},
		{&gatehouse.MissingError{AccountID: ada}, "second_factor_missing", true},
		{errors.New("of the database"), "_OTHER", true},
	} {
		call(fmt.Errorf("%s: %w", canary, c.err))
		spans := h.take()
		require.Len(t, spans, 1)
		require.Equal(t, c.code, attributes(spans[0])["error.type"], c.err)
		require.Equal(t, c.fault, spans[0].Status().Code == codes.Error, c.err)
		require.NotZero(t, h.counted("gatehouse.call.duration", "error.type", c.code))
	}
	h.silent()
}

// A name that no call has would count nothing.
func TestNamedCalls(t *testing.T) {
	require.Subset(t, calls(t, "..", "../tokens", "../passkey"), otelgatehouse.Named())
}
