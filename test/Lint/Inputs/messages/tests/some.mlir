// expected-error @below {{'x' op is provoked by a test}}
// expected-remark @below {{can be provoked after all}}
