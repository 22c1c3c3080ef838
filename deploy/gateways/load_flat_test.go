package gateways_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/token2go/token2go/internal/t2gtest"
)

const (
	samples   = 100 // is how often memory is looked at while requests are asked in a row
	maxGrowth = 1.1 // is of the server's memory at the end against the most in the first quarter
)

// usesConstantMemory asks in a row. What is kept of any request would show in the memory.
func (s *chain) usesConstantMemory(b *testing.B, count int) {
	load, kinds := calls(b, concurrency, s.dial, nil, 0), s.kinds(b)
	each := max(1, count/samples/concurrency/len(kinds)) * len(kinds)
	count = samples * concurrency * each
	before, begin, told := s.handedOver(), time.Now(), time.Now()
	var sizes []float64
	for sample := range samples {
		if err := askEach(load, kinds, sample*each, each); err != nil {
			b.Fatal(err)
		}
		server, gateway := s.used(b)
		sizes = append(sizes, server.memory)
		if time.Since(told) < 2*time.Second {
			continue
		}
		told = time.Now()
		answered := (sample + 1) * each * concurrency
		fmt.Fprintf(os.Stderr, "%s: %d of %d requests answered, %.0f a second; resident: server %.1f MB, gateway %.1f MB\n",
			told.Format(time.TimeOnly), answered, count, float64(answered)/told.Sub(begin).Seconds(), server.memory, gateway.memory)
	}
	s.checkRecord(b, before, count/3*2)
	first, last := slices.Max(sizes[:samples/4]), sizes[samples-1]
	_, gateway := s.used(b)
	row(fmt.Sprintf("memory after %d requests in a row, no two alike", count),
		"server %.0f MB, %.2f of the maximum in the first quarter of them; gateway %.0f MB", last, last/first, gateway.memory)
	if last > maxGrowth*first {
		b.Errorf("the server has grown from %.1f MB to %.1f", first, last)
	}
}

// numeral is what sets a request apart from others.
func numeral(number int) string { return fmt.Sprintf("no%010d", number) }

// kind is what is asked, by each caller with a session of its own, and how the answers begin.
type kind struct {
	requests [concurrency][]byte
	begins   []byte
}

// kinds are the token, the flow and an address without a page.
func (s *chain) kinds(b *testing.B) []kind {
	b.Helper()
	flow := strings.Replace(flowAddress(b), "of-many-calls", numeral(0), 1)
	kinds := []kind{{begins: []byte("HTTP/1.1 200 ")}, {begins: []byte("HTTP/1.1 303 ")}, {begins: []byte("HTTP/1.1 404 ")}}
	for i := range concurrency {
		session := s.session(b)
		kinds[0].requests[i] = tokenAsked("/token?"+numeral(0), session)
		kinds[1].requests[i] = flowAsked(flow, session)
		kinds[2].requests[i] = tokenAsked("/no/"+numeral(0), session)
	}
	return kinds
}

// askEach has every caller ask so many requests, one kind after another.
func askEach(load *t2gtest.Load, kinds []kind, from, each int) error {
	errs := make([]error, len(load.Callers))
	var callers sync.WaitGroup
	for i, one := range load.Callers {
		callers.Go(func() {
			for n := from; n < from+each && errs[i] == nil; n++ {
				asked := kinds[n%len(kinds)]
				one.Request = bytes.Replace(asked.requests[i], []byte(numeral(0)), []byte(numeral(1+n*len(errs)+i)), 1)
				one.Begins = asked.begins
				_, errs[i] = one.Call()
			}
		})
	}
	callers.Wait()
	return errors.Join(errs...)
}
