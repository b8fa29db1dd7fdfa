package otelgatehouse

import (
	"context"
	"errors"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/internal/engine"
	"github.com/gatehouse-go/gatehouse/posture"
	"github.com/gatehouse-go/gatehouse/storage"
)

// other is the code of every error that has none, by the semantic conventions.
const other = "_OTHER"

// errorCode is an error that has a code.
type errorCode struct {
	is     func(error) bool
	code   string
	answer bool // and no fault
}

func is(target error) func(error) bool {
	return func(err error) bool { return errors.Is(err, target) }
}

func as[T error](err error) bool {
	_, ok := errors.AsType[T](err)
	return ok
}

// errorCodes has the first code first that counts of an error that has several.
var errorCodes = []errorCode{
	{is(engine.ErrPanic), "panic", false},
	{is(gatehouse.ErrDenied), denied, true},
	{as[*posture.GateError], "gate_closed", true},
	{is(gatehouse.ErrStepUpRequired), "step_up_required", true},
	{as[*gatehouse.MissingError], "second_factor_missing", false},
	{is(engine.ErrUnsure), "unsure", false},
	{is(engine.ErrRetryTransaction), "retry_transaction", true},
	{is(gatehouse.ErrBusy), "busy", false},
	{is(core.ErrFormat), "record_unreadable", false},
	{is(gatehouse.ErrPrecondition), "precondition", true},
	{is(gatehouse.ErrNotFound), "not_found", true},
	{is(storage.ErrNotFound), "not_found", true},
	{is(storage.ErrConflict), "conflict", true},
	{is(context.Canceled), "canceled", true},
	{is(context.DeadlineExceeded), "timeout", false},
	{is(gatehouse.ErrInvalid), "invalid", true},
	{is(storage.ErrInvalid), "invalid", true},
}

// codeOf returns the code of an error, "" for none, and whether it is a fault.
func codeOf(err error) (code string, fault bool) {
	if err == nil {
		return "", false
	}
	for _, c := range errorCodes {
		if c.is(err) {
			return c.code, !c.answer
		}
	}
	return other, true
}
