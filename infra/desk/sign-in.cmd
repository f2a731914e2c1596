@echo off
title Quietdesk sign-in
call "%~dp0quietdesk.cmd" sign-in
pause
