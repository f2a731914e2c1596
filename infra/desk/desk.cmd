@echo off
title Quietdesk
call "%~dp0quietdesk.cmd" desk
if errorlevel 1 pause
