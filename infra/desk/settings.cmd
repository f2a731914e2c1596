@echo off
rem What this desk works with. docs\operations.md lists every setting.
set "QUIETDESK_STAGE=@STAGE@"
set "QUIETDESK_STORE=@STORE@"
set "QUIETDESK_CUSTODIANS=@CUSTODIANS@"
set "QUIETDESK_THRESHOLD=@THRESHOLD@"
set "AWS_PROFILE=desk"
set "AWS_CONFIG_FILE=%~dp0aws.config"
