package otelgatehouse_test

import (
	"context"
	"fmt"
	"log"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/keyring"
	"github.com/gatehouse-go/gatehouse/otelgatehouse"
	"github.com/gatehouse-go/gatehouse/storage/memory"
)

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

// Without providers in the Config, spans and metrics go where the global ones of go.opentelemetry.io/otel send them.
func Example() {
	store, config := memory.New(), gatehouse.Config{Issuer: "Acme", Keys: keyring.Generate()}

	svc, err := gatehouse.New(store, config)
	check(err)
	check(otelgatehouse.Instrument(svc, otelgatehouse.Config{Database: "postgresql"})) // db.system.name of your database
	_ = svc
}

// Every call is a span, and what it asks of the store is below it.
func ExampleInstrument() {
	exported := tracetest.NewInMemoryExporter() // yours sends them to a collector
	svc, err := gatehouse.New(memory.New(), gatehouse.Config{Issuer: "Acme", Keys: keyring.Generate()})
	check(err)
	check(otelgatehouse.Instrument(svc, otelgatehouse.Config{
		TracerProvider: sdktrace.NewTracerProvider(sdktrace.WithSyncer(exported)),
	}))

	_, err = svc.Account(context.Background(), "user-42")
	check(err)
	for _, span := range exported.GetSpans() {
		fmt.Println(span.Name)
	}
	// Output:
	// storage.Store.LoadAccount
	// gatehouse.Service.Account
}
