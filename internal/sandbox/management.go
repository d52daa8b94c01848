package sandbox

import (
	"cmp"
	"encoding/json"
	"errors"
	"io"
	"net/http"
)

// managementHandler serves what tests and people need beside the API. Bodies
// and answers are JSON; a refusal is 400 with {"error": …}. handle2020 has more.
//
//	GET  /                 the addresses, without the secret
//	GET  /history          every API request
//	DELETE /history        forgets them
//	GET  /instances        the account's instances
//	POST /instances        {"CertType","Source","Status","InstanceId"}, each with a default
//	GET  /records          the records of every zone, or of ?zone=Z
//	POST /records          {"DomainName","RR","Type","Value"}
//	DELETE /records/ID     as its owner would
//	GET  /orders           the last order of each instance
//	POST /orders/INSTANCE  {"status"} forces a state, {"domains":[…]} places an order
//	GET  /faults           those in force
//	POST /faults           {"spec"} adds one
//	DELETE /faults         removes all
//	POST /key              {"access_key_id","access_key_secret"} replaces the access key
func (s *Sandbox) managementHandler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /{$}", do(s.readyWithoutSecret))
	mux.Handle("GET /history", do(func(*http.Request, nothing) (any, error) { return s.History(), nil }))
	mux.Handle("DELETE /history", do(func(*http.Request, nothing) (any, error) {
		s.ClearHistory()
		return nothing{}, nil
	}))
	mux.Handle("GET /instances", do(func(*http.Request, nothing) (any, error) { return s.Instances(), nil }))
	mux.Handle("POST /instances", do(s.postInstance))
	mux.Handle("GET /records", do(s.getRecords))
	mux.Handle("POST /records", do(s.postRecord))
	mux.Handle("DELETE /records/{id}", do(func(r *http.Request, _ nothing) (any, error) {
		return nothing{}, s.DeleteRecord(r.PathValue("id"))
	}))
	mux.Handle("GET /orders", do(func(*http.Request, nothing) (any, error) { return s.Orders(), nil }))
	mux.Handle("POST /orders/{instance}", do(s.postOrder))
	mux.Handle("GET /faults", do(func(*http.Request, nothing) (any, error) { return s.faults.inForce(), nil }))
	mux.Handle("POST /faults", do(s.postFault))
	mux.Handle("DELETE /faults", do(func(*http.Request, nothing) (any, error) { return nothing{}, s.SetFaults() }))
	mux.Handle("POST /key", do(s.postKey))
	s.handle2020(mux)
	return mux
}

// nothing is a body without content.
type nothing struct{}

// do serves an action that takes one JSON value, which may be left out, and answers another.
func do[T any](action func(*http.Request, T) (any, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var given T
		err := json.NewDecoder(http.MaxBytesReader(w, r.Body, largestBody)).Decode(&given)
		if errors.Is(err, io.EOF) {
			err = nil
		}
		var answer any
		if err == nil {
			answer, err = action(r, given)
		}
		w.Header().Set("Content-Type", "application/json")
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			answer = object{"error": err.Error()}
		}
		_ = json.NewEncoder(w).Encode(answer)
	})
}

func (s *Sandbox) readyWithoutSecret(*http.Request, nothing) (any, error) {
	r := s.Ready()
	r.AccessKeySecret = ""
	return r, nil
}

func (s *Sandbox) postInstance(_ *http.Request, i Instance) (any, error) {
	id := s.AddInstance(cmp.Or(i.CertType, "DV"), cmp.Or(i.Source, "BUY"), cmp.Or(i.Status, "PAYED"), i.InstanceID)
	return object{"InstanceId": id}, nil
}

func (s *Sandbox) getRecords(r *http.Request, _ nothing) (any, error) {
	records := []Record{}
	for _, z := range s.zones.hosted() {
		if only := r.FormValue("zone"); only == "" || s.zones.named(only) == z {
			records = append(records, s.zones.records(z)...)
		}
	}
	return records, nil
}

func (s *Sandbox) postRecord(_ *http.Request, r Record) (any, error) {
	id, err := s.AddRecord(cmp.Or(r.Zone, s.options.Zones[0]), r.RR, r.Type, r.Value)
	return object{"RecordId": id}, err
}

// orderChange is what POST /orders takes: one of the two.
type orderChange struct {
	Status  string   `json:"status"`
	Domains []string `json:"domains"`
}

func (s *Sandbox) postOrder(r *http.Request, change orderChange) (any, error) {
	instance := r.PathValue("instance")
	if len(change.Domains) > 0 {
		return nothing{}, s.Submit(instance, change.Domains...)
	}
	if change.Status == "" {
		return nil, errors.New("neither status nor domains given")
	}
	return nothing{}, s.ForceOrder(instance, change.Status)
}

func (s *Sandbox) postFault(_ *http.Request, given struct {
	Spec string `json:"spec"`
}) (any, error) {
	f, err := ParseFault(given.Spec)
	if err != nil {
		return nil, err
	}
	if err := s.faults.add(f); err != nil {
		return nil, err
	}
	return nothing{}, s.api.setOpen(!s.faults.refusing())
}

func (s *Sandbox) postKey(_ *http.Request, given struct {
	ID     string `json:"access_key_id"`
	Secret string `json:"access_key_secret"`
}) (any, error) {
	if given.ID == "" || given.Secret == "" {
		return nil, errors.New("access_key_id and access_key_secret are both needed")
	}
	s.SetAccessKey(given.ID, given.Secret)
	return nothing{}, nil
}
