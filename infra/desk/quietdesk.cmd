@echo off
setlocal
rem Every command of Quietdesk, such as: quietdesk pull
cd /d "%~dp0"
set "QUIETDESK_PROFILE=%~dp0city.json"
call "%~dp0settings.cmd"
"%~dp0python\Scripts\python.exe" -I -X utf8 -m quietdesk.staff.commands.main %*
