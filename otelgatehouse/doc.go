// Package otelgatehouse has OpenTelemetry see what a [gatehouse.Service] does: spans of its calls and of what they ask
// of the store, and metrics.
//
//	svc, err := gatehouse.New(store, config)
//	err = otelgatehouse.Instrument(svc, otelgatehouse.Config{})
//	tok, err := tokens.New(svc, policy) // and all that stands on the service
//
// Nothing that is exported says of whom: no account, no ID, address, name or agent, no code or other secret, and of an
// error its code alone. All values of attributes come from short lists, which docs/telemetry.md has.
package otelgatehouse
