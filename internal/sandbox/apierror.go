package sandbox

import (
	"fmt"
	"net/http"
)

// apiError is a refusal in the API's terms.
type apiError struct {
	status        int // HTTP
	code, message string
}

func (e apiError) Error() string { return e.code + ": " + e.message }

func refusal(status int, code, format string, args ...any) apiError {
	return apiError{status, code, fmt.Sprintf(format, args...)}
}

func missingParameter(name string) error {
	return refusal(http.StatusBadRequest, "MissingParameter",
		"The input parameter %q that is mandatory for processing this request is not supplied.", name)
}

func invalidParameter(name string) error {
	return refusal(http.StatusBadRequest, "InvalidParameter", "The specified parameter %q is not valid.", name)
}

// notFound is CAS's answer for an instance or a certificate that it does not have.
func notFound(language string) error {
	if language == "en" {
		return refusal(http.StatusNotFound, "NotFound", "The requested content does not exist.")
	}
	return refusal(http.StatusNotFound, "NotFound", "没有找到必要内容，请检查参数输入。")
}
