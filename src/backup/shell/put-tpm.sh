set -e
umask 077
cd -- "$1"
rm -rf -- .tpm-restore
mkdir .tpm-restore
tar xzf - --no-same-owner -C .tpm-restore
[ -d .tpm-restore/tpm ]
rm -rf -- tpm
mv -T .tpm-restore/tpm tpm
rm -rf -- .tpm-restore
