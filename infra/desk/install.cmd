@echo off
setlocal
rem Installs Quietdesk for the person who runs this, in their own folder. It asks for nothing else.
set "HERE=%~dp0"
set "TO=%LOCALAPPDATA%\Quietdesk"
set "CHECK=import sys, sysconfig; sys.exit(sys.version_info[:2] != (3, 13) or sysconfig.get_platform() != 'win-amd64')"
if not exist "%HERE%wheels" goto notunpacked

rem The launcher of newer Pythons would fetch what is missing; here it says so instead.
set "PYTHON_MANAGER_AUTOMATIC_INSTALL=false"
set "PYTHON=py -3.13"
%PYTHON% -c "%CHECK%" >nul 2>nul
if not errorlevel 1 goto install
set "PYTHON=python"
%PYTHON% -c "%CHECK%" >nul 2>nul
if errorlevel 1 goto nopython

:install
echo Installing Quietdesk. This takes a minute or two.
if not exist "%TO%" mkdir "%TO%"
if not exist "%TO%\docs" mkdir "%TO%\docs"
%PYTHON% -m venv --clear "%TO%\python"
if errorlevel 1 goto failed
set "PIP=%TO%\python\Scripts\python.exe"
"%PIP%" -I -m pip --isolated install --quiet --disable-pip-version-check --no-index --find-links "%HERE%wheels" --only-binary :all: --require-hashes --requirement "%HERE%desk.txt"
if errorlevel 1 goto failed
"%PIP%" -I -m pip --isolated install --quiet --disable-pip-version-check --no-index --find-links "%HERE%wheels" --only-binary :all: --no-deps quietdesk
if errorlevel 1 goto failed
for %%F in (quietdesk.cmd desk.cmd sign-in.cmd README.txt) do copy /y "%HERE%%%F" "%TO%\%%F" >nul
copy /y "%HERE%city.json" "%TO%\city.json" >nul
copy /y "%HERE%docs\operations.md" "%TO%\docs\operations.md" >nul
rem What was set on this computer stays as it is.
for %%F in (settings.cmd aws.config) do if not exist "%TO%\%%F" copy "%HERE%%%F" "%TO%\%%F" >nul

rem Two shortcuts in this person's Start menu.
powershell -NoProfile -NonInteractive -Command "foreach ($it in @(@('Quietdesk', 'desk'), @('Quietdesk sign-in', 'sign-in'))) { $s = (New-Object -ComObject WScript.Shell).CreateShortcut([Environment]::GetFolderPath('Programs') + '\' + $it[0] + '.lnk'); $s.TargetPath = $env:TO + '\' + $it[1] + '.cmd'; $s.WorkingDirectory = $env:TO; $s.Save() }" >nul 2>nul
if errorlevel 1 goto noshortcut
echo Quietdesk is installed. It is in the Start menu. README.txt says what comes next.
pause
exit /b 0

:noshortcut
echo Quietdesk is installed, but this computer did not let it write to the Start menu.
echo Start it with: "%TO%\desk.cmd"
pause
exit /b 0

:notunpacked
echo Unpack the whole zip first: right-click it, Extract All. Then start install.cmd there.
pause
exit /b 1

:nopython
echo Quietdesk needs Python 3.13, 64-bit, for this person or for everybody on this computer.
echo Ask whoever looks after this computer for it, then start install.cmd again.
pause
exit /b 1

:failed
echo Quietdesk could not be installed; what is wrong stands above.
echo If Quietdesk is open, close it and start install.cmd again.
pause
exit /b 1
