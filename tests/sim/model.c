int model_main(void);
int model_main(void)
{
    return 0;
}
