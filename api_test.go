package abreast_test

import (
	"context"
	"io"
	"iter"
	"net/http"
	"net/url"
	"time"

	"github.com/abreast-go/abreast/client"
	"github.com/abreast-go/abreast/parallel"
	"github.com/abreast-go/abreast/pending"
)

// This file compiles only if every name of the API exists with its type.
// Programs rely on both.

// Functions and methods.
var (
	_ func(context.Context, func(*parallel.Parallel) error) error                 = client.Parallel
	_ func(*client.Client, context.Context, func(*parallel.Parallel) error) error = (*client.Client).Parallel
	_ func() *http.Transport                                                      = client.NewTransport

	_ func(context.Context, parallel.Config, func(*parallel.Parallel) error) error = parallel.Run

	_ func(*parallel.Parallel, string, ...parallel.Option) *pending.Pending        = (*parallel.Parallel).Get
	_ func(*parallel.Parallel, string, ...parallel.Option) *pending.Pending        = (*parallel.Parallel).Head
	_ func(*parallel.Parallel, string, ...parallel.Option) *pending.Pending        = (*parallel.Parallel).Options
	_ func(*parallel.Parallel, string, ...parallel.Option) *pending.Pending        = (*parallel.Parallel).Post
	_ func(*parallel.Parallel, string, ...parallel.Option) *pending.Pending        = (*parallel.Parallel).Put
	_ func(*parallel.Parallel, string, ...parallel.Option) *pending.Pending        = (*parallel.Parallel).Patch
	_ func(*parallel.Parallel, string, ...parallel.Option) *pending.Pending        = (*parallel.Parallel).Delete
	_ func(*parallel.Parallel, *http.Request, ...parallel.Option) *pending.Pending = (*parallel.Parallel).Do

	_ func(*parallel.Parallel, func(*parallel.Parallel) (*http.Response, error)) *pending.Pending = (*parallel.Parallel).Go

	_ func(*parallel.Parallel) (*http.Response, error)    = (*parallel.Parallel).Next
	_ func(*parallel.Parallel) bool                       = (*parallel.Parallel).HasPending
	_ func(*parallel.Parallel) iter.Seq[*pending.Pending] = (*parallel.Parallel).Arrivals
	_ func(*parallel.Parallel) context.Context            = (*parallel.Parallel).Context
	_ func(*parallel.Parallel) parallel.Stats             = (*parallel.Parallel).Stats

	_ func(key, value string) parallel.Option        = parallel.Header
	_ func(key, value string) parallel.Option        = parallel.Query
	_ func(string, io.Reader) parallel.Option        = parallel.Body
	_ func(any) parallel.Option                      = parallel.JSON
	_ func(url.Values) parallel.Option               = parallel.Form
	_ func(time.Duration) parallel.Option            = parallel.Timeout
	_ func(time.Duration) parallel.Option            = parallel.After
	_ func(time.Duration) parallel.Option            = parallel.Stall
	_ func(io.Writer) parallel.Option                = parallel.To
	_ func(pick) parallel.Option                     = parallel.Take
	_ func(name string) parallel.Option              = parallel.File
	_ func(judge) parallel.Option                    = parallel.Retry
	_ func(*parallel.Request) error                  = parallel.Option(nil)
	_ startAll[string]                               = parallel.Each[string]
	_ startAll[string]                               = parallel.Ordered[string]
	_ startAll[struct{ any }]                        = parallel.Each[struct{ any }]
	_ startAll[struct{ any }]                        = parallel.Ordered[struct{ any }]
	_ startWith[string]                              = parallel.Each[string]
	_ startWith[string]                              = parallel.Ordered[string]
	_ func(*pending.Pending) (*http.Response, error) = (*pending.Pending).Response
	_ func(*pending.Pending) ([]byte, error)         = (*pending.Pending).Bytes
	_ func(*pending.Pending, any) error              = (*pending.Pending).JSON
	_ func(*pending.Pending) *http.Request           = (*pending.Pending).Request
	_ func(*pending.Pending) <-chan struct{}         = (*pending.Pending).Done
	_ func(*pending.Pending)                         = (*pending.Pending).Cancel

	_ func(int) func(parallel.Attempt) (time.Duration, bool) = parallel.Retries
	_ func(time.Duration) error                              = parallel.Later
	_ func(total, perHost int) *parallel.Limits              = parallel.NewLimits
	_ func(l *parallel.Limits, total, perHost int)           = (*parallel.Limits).Set
	_ func(*parallel.Limits) parallel.Stats                  = (*parallel.Limits).Stats

	_ func(*parallel.Parallel, func(*parallel.Parallel) (int, error)) *pending.Pending = parallel.Go[int]
	_ func(*parallel.Parallel, func(*parallel.Parallel) (any, error)) *pending.Pending = parallel.Go[any]

	_ func(*pending.StatusError) []byte = (*pending.StatusError).Bytes

	_ func(*pending.Pending) (int, error) = pending.As[int]
	_ func(*pending.Pending) (any, error) = pending.As[any]

	_ func(...*pending.Pending) ([]*http.Response, error) = pending.All
	_ func(...*pending.Pending) *pending.Pending          = pending.Race
)

// startAll is the type of Each and Ordered.
type startAll[T any] func(p *parallel.Parallel, items iter.Seq[T], start func(T) *pending.Pending) iter.Seq2[T, *pending.Pending]

// startWith is the type of Each and Ordered with a start like p.Get.
type startWith[T any] func(p *parallel.Parallel, items iter.Seq[T], start func(T, ...parallel.Option) *pending.Pending) iter.Seq2[T, *pending.Pending]

// Variables and types. Pointers make sure that the type is exact: a value can
// be assigned to a variable of another type.
var (
	_ *error = &parallel.ErrEnded
	_ *error = &parallel.ErrNonePending
	_ *error = &pending.ErrNotSent

	_ error = (*pending.StatusError)(nil)
	_ error = (*pending.BodyTooLargeError)(nil)
)

// Fields.
var (
	aClient client.Client

	_ *string                    = &aClient.BaseURL
	_ *http.Header               = &aClient.Header
	_ *func(*http.Request) error = &aClient.Auth
	_ **http.Client              = &aClient.HTTP
	_ *int                       = &aClient.Limit
	_ *int                       = &aClient.HostLimit
	_ *time.Duration             = &aClient.Timeout
	_ *int64                     = &aClient.MaxBody
	_ *func(*http.Request) error = &aClient.Wait
	_ *observer                  = (*observer)(&aClient.Observe)
	_ *judge                     = &aClient.Retry
	_ **parallel.Limits          = &aClient.Shared
	_ *time.Duration             = &aClient.Stall
	_ *int                       = &aClient.Ahead

	aRequest parallel.Request

	_ **http.Request = &aRequest.Request
	_ *time.Duration = &aRequest.Timeout
	_ *time.Duration = &aRequest.After
	_ *pick          = &aRequest.Take
	_ *judge         = &aRequest.Retry
	_ *time.Duration = &aRequest.Stall
	_ *url.URL       = parallel.Request{Request: new(http.Request)}.URL // it is embedded

	attempt parallel.Attempt

	_ *int            = &attempt.N
	_ **http.Request  = &attempt.Request
	_ **http.Response = &attempt.Response
	_ *error          = &attempt.Err
	_ *time.Time      = &attempt.Sent
	_ *time.Time      = &attempt.Done

	_ parallel.Limits // the zero value is ready to use

	stats parallel.Stats

	_ *int = &stats.Queued
	_ *int = &stats.InFlight
	_ *int = &stats.Done
	_ *int = &stats.Failed

	outcome pending.Outcome

	_ *time.Time      = &outcome.Made
	_ *time.Time      = &outcome.Sent
	_ *time.Time      = &outcome.Done
	_ *int            = &outcome.Attempts
	_ **http.Response = &outcome.Response
	_ *int64          = &outcome.Bytes
	_ *error          = &outcome.Err

	status   pending.StatusError
	tooLarge pending.BodyTooLargeError

	_ **http.Response = &status.Response
	_ **http.Response = &tooLarge.Response
	_ *int64          = &tooLarge.Limit
)

// judge is the type of Client.Retry.
type judge = func(parallel.Attempt) (time.Duration, bool)

// pick is the type of Request.Take.
type pick = func(*http.Response) (io.Writer, error)

// observer is the type of Client.Observe.
type observer func(*http.Request) (context.Context, func(pending.Outcome))
