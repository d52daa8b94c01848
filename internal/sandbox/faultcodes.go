package sandbox

// codes are the refusals of CAS 2020-04-07, and some of the gateway's that no
// other kind makes.
var codes = []struct {
	status        int
	code, message string
}{
	{400, "InvalidStatus.UpdateProtection", "The current status does not allow an update."},
	{400, "InvalidStatus.DeleteProtection", "The current status does not allow the deletion."},
	{400, "OperationDenied.StatusNotSupport", "当前状态不支持当前操作"},
	{400, "OperationDenied.SystemUpgrading", "The system is being upgraded."},
	{400, "InternalError", "An internal error has occurred."},
	{400, "DeductQuotaFailed", "The quota cannot be deducted."},
	{400, "FlowControlError", "The request was denied due to flow control."},
	{400, "Throttling.Api", "Request was denied due to api flow control."},
	{400, "DomainAndProductNotMatch", "The domain names do not match the product."},
	{400, "MissingParameter", "A mandatory parameter is not supplied."},
	{400, "InvalidParameter", "A parameter is not valid."},
	{400, "InvalidParameter.MobileIllegal", "The mobile number is not valid."},
	{400, "DataTooLongException", "The data is too long."},
	{400, "ParamRepeat", "A parameter is given twice."},
	{400, "DomainRepeat", "A domain name is given twice."},
	{400, "DomainAlreadyExist", "The domain name already exists."},
	{400, "InsufficientQuota", "The quota is insufficient."},
	{400, "CreateOrderFailed", "The order cannot be created."},
	{400, "CreateCsrFailed", "The CSR cannot be created."},
	{400, "OrderExpired", "The order has expired."},
	{400, "NotFound", "The requested content does not exist."},
	{400, "InvalidInstanceId.NotFound", "The instance does not exist."},
	{400, "AccessDenied.NoAuth", "You have no permission."},
	{400, "PermissionDenied", "The permission is denied."},
	{403, "NoPermission", "You are not authorized to perform this action."},
	{400, "InvalidVersion", "Specified parameter Version is not valid."},
	{404, "InvalidAction.NotFound", "Specified api is not found, please check your url and method."},
	{400, "NameRepeat", "The name already exists."},
	{400, "NameAlreadyExist", "The name already exists."},
	{400, "AlreadyExists.Name", "The name already exists."},
	{400, "CertificateFormatException", "The format of the certificate is invalid."},
	{400, "ParseCertificateFailed", "The certificate cannot be parsed."},
	{400, "CertificateChainNotMatch", "The certificate chain does not match."},
	{400, "CertificateExpired", "The certificate has expired."},
	{400, "KeyNotMatchCert", "The private key does not match the certificate."},
	{400, "CertificatePrivateKey.Existed", "The private key already exists."},
	{400, "DecryptError", "The decryption has failed."},
}

// codeKinds are faults that refuse with one of the codes, and apply nothing.
func codeKinds() []kind {
	list := make([]kind, len(codes))
	for i, c := range codes {
		list[i] = kind{name: "code-" + c.code, about: c.message, refuse: code(c.status, c.code, c.message)}
	}
	return list
}
