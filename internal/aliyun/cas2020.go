package aliyun

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"strconv"
)

// cas2020 is an operation of CAS 2020-04-07. Parameters without a value are not
// sent: to UpdateInstance "" may mean more than nothing.
func cas2020(action string, parameters map[string]string) build {
	maps.DeleteFunc(parameters, func(_, value string) bool { return value == "" })
	return casRequest("2020-04-07", action, parameters)
}

// flatten adds the elements of an array as name.1, name.2 and so on.
func flatten(parameters map[string]string, name string, ids []int64) {
	for i, id := range ids {
		parameters[name+"."+strconv.Itoa(i+1)] = strconv.FormatInt(id, 10)
	}
}

// listing is an operation of CAS 2020-04-07 that answers page by page.
type listing[T any, K comparable] struct {
	action   string
	filter   map[string]string
	rows     string // the answer's array
	size     int    // of a page; default pageSize
	from     func(object) T
	identity func(T) K
}

// pageSize is what every list takes.
const pageSize = 50

// readAll reads every page.
func readAll[T any, K comparable](ctx context.Context, c *Client, l listing[T, K]) ([]T, error) {
	size := cmp.Or(l.size, pageSize)
	return pages(l.action, size, l.identity, func(page, _ int) (object, []T, error) {
		parameters := map[string]string{"CurrentPage": strconv.Itoa(page), "ShowSize": strconv.Itoa(size)}
		maps.Copy(parameters, l.filter)
		answer, err := c.read(ctx, &c.cas, cas2020(l.action, parameters), l.rows, "TotalCount")
		return answer, each(answer.rows(l.rows), l.from), err
	})
}

// create is a write that answers with the id of what it made. An answer without
// one is Unanswered: something may have been made.
func (c *Client) create(ctx context.Context, action string, parameters map[string]string, idField string) (int64, error) {
	answer, err := c.write(ctx, &c.cas, cas2020(action, parameters), idField)
	if err != nil {
		return 0, err
	}
	id := answer.number(idField)
	if id == 0 {
		return 0, &Error{Operation: action, Kind: Unanswered, RequestID: answer.text("RequestId"),
			Err: errors.New("the answer's " + idField + " is no id")}
	}
	return id, nil
}

// change is a write that answers with the id of the request alone.
func (c *Client) change(ctx context.Context, action string, parameters map[string]string) (requestID string, err error) {
	answer, err := c.write(ctx, &c.cas, cas2020(action, parameters), "RequestId")
	return answer.text("RequestId"), err
}
